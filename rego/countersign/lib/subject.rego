# METADATA
# title: Who asks, as the index of grants spells it
# description: |
#   A principal's first letter tells what it is, so that a group can never pass for a scope or a subject. Lists
#   that are not lists, and members that are not text, give no principal.
package countersign.lib.subject

principals := array.concat(array.concat(self, groups), array.concat(scopes, claims))

self := ["*", concat("", ["i:", input.subject.id])]

groups := [concat("", ["g:", group]) |
	list := input.subject.properties.groups
	is_array(list)
	some group in list
]

scopes := [concat("", ["s:", scope]) |
	list := input.subject.properties.scopes
	is_array(list)
	some scope in list
]

# Only claims that policy asks for; "1" and 1 differ, for they are compared as JSON.
claims := [concat("", ["c:", name, "=", json.marshal(value)]) |
	some name in data.countersign.connections[input.resource.properties.connection].claims
	some value in scalars(input.subject.properties.claims[name])
]

scalars(claim) := claim if is_array(claim)

scalars(claim) := [claim] if not is_array(claim)
