package countersign.decision

import data.countersign.lib.match

# METADATA
# description: |
#   What the decision has to do with the session so far. When it hangs on what the session has seen and policy was not
#   told, it asks, and the decision service comes again with `context.session.taints`; until then the worst is assumed.
flow := {"flow": object.union(asked, added)} if {
	count(asked) + count(added) > 0
} else := {}

asked := {"asks": true} if {
	here.flows
	not match.told
	some entry in array.concat(restrictions(here.deny), restrictions(here.approvals))
	entry.when.after
	match.applies(entry)
} else := {}

added := {"adds": names} if {
	names := sort({entry.taint | some entry in restrictions(here.taints); match.applies(entry)})
	count(names) > 0
} else := {}
