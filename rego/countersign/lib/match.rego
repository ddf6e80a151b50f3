# METADATA
# title: Looking up grants and restrictions
# description: |
#   The tables are indexed when the bundle is built (scripts/policy-data/index.ts): what is asked for first, then
#   the principal. Grants hold when every value fits their conditions; restrictions apply when one could.
package countersign.lib.match

import data.countersign.lib.subject
import data.countersign.lib.tool

# METADATA
# description: Entries of an HTTP table for the method and a path given as segments from the root.
http(table, rooted) := [entry |
	some method in [input.context.facts.http.method, "*"]
	paths := table[method]
	some depth in paths.depths
	node := paths.at[concat("/", array.slice(rooted, 0, depth))]
	some principal in subject.principals
	some entry in node[principal]
	fits(entry.path, rooted)
]

# METADATA
# description: Entries of a table of names (models, tools) for one name.
named(table, name) := array.concat(
	held([table.exact[name] | true]),
	held([node | some length in table.lengths; node := table.starts[substring(name, 0, length)]]),
)

# METADATA
# description: Entries that name one of the subject's principals.
held(nodes) := [entry |
	some node in nodes
	some principal in subject.principals
	some entry in node[principal]
]

fits(path, rooted) if {
	long_enough(path, count(rooted))
	every place in path.fixed {
		rooted[place[0]] == place[1]
	}
	every at in path.any {
		rooted[at] != ""
	}
}

long_enough(path, length) if path.length == length

long_enough(path, length) if {
	path.open
	path.length < length
}

# METADATA
# description: Whether a grant holds, every condition by every value.
holds(entry) if not entry.when

holds(entry) if {
	when := entry.when
	who(when)
	every condition in object.get(when, "query", []) {
		every_value(condition, object.get(input.context.facts.http.query, condition.of, []))
	}
	every condition in object.get(when, "body", []) {
		every_value(condition, object.get(input.context.facts.paths, condition.of, []))
	}
	content_type(when)
}

# METADATA
# description: Whether a restriction applies; a value that cannot be compared counts against the request.
applies(entry) if {
	not exempt(entry)
	restricts(entry)
}

restricts(entry) if not entry.when

restricts(entry) if {
	when := entry.when
	who(when)
	every condition in object.get(when, "query", []) {
		some_value(condition, object.get(input.context.facts.http.query, condition.of, []))
	}
	every condition in object.get(when, "body", []) {
		some_value(condition, object.get(input.context.facts.paths, condition.of, []))
	}
	traits(when)
	tables(when)
	phrases(when)
	findings(when)
	after(when)
}

# METADATA
# description: Whether the subject is excepted from a restriction or a mask.
exempt(entry) if {
	some principal in subject.principals
	entry.except.principals[principal]
	who(entry.except)
}

who(clause) if {
	issuer(clause)
	type(clause)
}

issuer(clause) if not clause.issuers

issuer(clause) if input.subject.properties.issuer in clause.issuers

type(clause) if not clause.types

type(clause) if input.subject.type in clause.types

every_value(condition, values) if {
	condition.absent
	values == []
}

every_value(condition, values) if {
	not condition.absent
	count(values) > 0
	every value in values {
		listed(condition, value)
		least(condition, value)
		most(condition, value)
	}
}

some_value(condition, values) if {
	condition.absent
	values == []
}

some_value(condition, values) if {
	not condition.absent
	some value in values
	listed(condition, value)
	perhaps_in_range(condition, value)
}

# Values that are no list were not extracted as they should be.
some_value(_, values) if not is_array(values)

listed(condition, _) if not condition.one_of

listed(condition, value) if value in condition.one_of

least(condition, _) if not condition.min

least(condition, value) if {
	is_number(value)
	value >= condition.min
}

most(condition, _) if not condition.max

most(condition, value) if {
	is_number(value)
	value <= condition.max
}

perhaps_in_range(condition, value) if {
	least(condition, value)
	most(condition, value)
}

# Text where a number is expected may still be read as one further on.
perhaps_in_range(_, value) if not is_number(value)

content_type(when) if not when.content_types

content_type(when) if input.context.facts.http.content_type in when.content_types

tables(when) if not when.tables

tables(when) if {
	some statement in input.context.facts.sql.statements
	some table in statement.tables
	includes(when.tables, table)
}

# SQL that was not understood may name any.
tables(when) if {
	when.tables
	count(input.context.facts.sql.undetermined) > 0
}

after(when) if not when.after

after(when) if {
	some taint in when.after
	taint in input.context.session.taints
}

# Until policy is told, the session may have seen anything.
after(when) if {
	when.after
	not told
}

# METADATA
# description: Whether policy was told what the session has seen.
told if is_array(input.context.session.taints)

traits(when) if not when.is

traits(when) if {
	some trait in when.is
	trait in tool.traits
}

phrases(when) if not when.phrases

phrases(when) if {
	some list in when.phrases
	list in input.context.facts.phrases
}

findings(when) if not when.findings

findings(when) if {
	some finding in when.findings
	input.context.facts.detectors[finding[0]] >= finding[1]
}

# METADATA
# description: Whether a set of compiled names has a name.
includes(names, name) if names.exact[name]

includes(names, name) if {
	some start in names.starts
	startswith(name, start)
}

includes(names, name) if {
	some end in names.ends
	endswith(name, end)
}
