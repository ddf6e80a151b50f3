# METADATA
# title: The decision
# description: |
#   Every file of this package adds to sets — `allow`, `deny`, `approve`, `mask` — and this one combines them: deny
#   wins, approval only holds what is also allowed, nothing allowed is denied, masks unite.
# scope: package
package countersign.decision

import data.countersign.lib.merge

# METADATA
# title: The decision on one request
# description: "{ effect, reasons: [{ rule, message }], obligations }, see pdp/contract/decision.ts"
# scope: document
# entrypoint: true
# custom:
#   rule_id: policy.undefined
#   inputs: [subject, action, resource, context.facts, context.session.taints]

# Also what is left when anything below is undefined: data is missing, or a builtin failed.
default decision := {
	"effect": "deny",
	"reasons": [{"rule": "policy.undefined", "message": "Policy came to no decision."}],
	"obligations": [],
}

decision := object.union(judgement, flow)

judgement := {"effect": "deny", "reasons": by_rule(deny), "obligations": []} if {
	count(deny) > 0
} else := {
	"effect": "deny",
	"reasons": [{"rule": "policy.no_grant", "message": "No grant covers this request."}],
	"obligations": [],
} if {
	count(allow) == 0
} else := {
	"effect": "approve",
	"reasons": by_rule(approve),
	"obligations": array.concat([approval], obligations),
} if {
	held
} else := {"effect": "allow", "reasons": by_rule(allow), "obligations": obligations}

# METADATA
# description: What policy knows of the connection; undefined, and so denied, for one that no grant names.
here := data.countersign.connections[input.resource.properties.connection]

obligations := array.concat(masks, duties)

duties := array.concat(here.duties.tool_use, restored) if {
	input.action.name == "anthropic.tool_use"
} else := here.duties.request

# METADATA
# description: |
#   A tool gets the values that tokens stand for only by a grant of its own: who writes into a prompt may ask the model
#   to send a token somewhere.
restored := [{"kind": "restore"} | accepted("restore_tools", input.context.facts.tool.name)]

masks := configured_masks if {
	here.masks_disjoint
	count(mask) == 0
} else := merge.masks(array.concat(configured_masks, [added | some added in mask]))

# METADATA
# title: Masks of rules of your own
# description: Other files of this package may add mask obligations here; masks.yaml does not need it.
# scope: document
# custom:
#   rule_id: mask
mask contains added if some added in []

# METADATA
# description: Reasons in the order of their rules, the same in every evaluator.
by_rule(reasons) := [{"rule": reason[0], "message": reason[1]} |
	some reason in sort({[reason.rule, reason.message] | some reason in reasons})
]
