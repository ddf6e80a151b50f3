package countersign.decision

import data.countersign.lib.match

# METADATA
# title: An approval rule applies
# description: approvals.yaml
# custom:
#   rule_id: approval.<id>
approve contains object.union(
	{"rule": entry.rule, "message": data.countersign.messages[entry.rule]},
	entry.approval,
) if {
	some entry in restrictions(here.approvals)
	match.applies(entry)
}

# METADATA
# description: Held until as many people approved as policy asks for now, whatever it asked for then.
held if {
	count(approve) > 0
	not approved
}

# `context.approval` is set by the PDP alone, for exactly this action of this subject.
approved if {
	is_string(input.context.approval.id)
	people := input.context.approval.approvers
	is_array(people)
	count({person | some person in people}) >= approval.count
}

# METADATA
# description: One obligation that satisfies every rule that applies. Approvers must suit all of them.
approval := {
	"kind": "approve",
	"approvers": sort(approvers),
	"count": max({rule.count | some rule in approve}),
	"wait_s": min({rule.wait_s | some rule in approve}),
	"valid_s": min({rule.valid_s | some rule in approve}),
}

approvers := intersection({{group | some group in rule.approvers} | some rule in approve})

# METADATA
# title: Nobody can approve
# description: The rules that apply have no group of approvers in common.
# custom:
#   rule_id: policy.approval_conflict
deny contains {
	"rule": "policy.approval_conflict",
	"message": "The approval rules that apply have no group of approvers in common.",
} if {
	count(approve) > 0
	count(approvers) == 0
}
