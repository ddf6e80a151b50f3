package countersign.approvals_test

import data.countersign.testing

approved_by(request, people) := object.union(
	request,
	{"context": {"approval": {"id": "approval-1", "approvers": people, "approved_ms": 1}}},
)

order := testing.http(["wide"], "DELETE", "/orders/1")

line := testing.http(["wide"], "DELETE", "/orders/1/lines/2")

test_an_approval_rule_holds_what_is_granted if {
	testing.effect(order) == "approve"
	testing.rules(order) == ["approval.one"]
	{
		"kind": "approve", "approvers": ["finance", "security"], "count": 1, "wait_s": 20, "valid_s": 600,
	} == testing.decide(order).obligations[0]
}

test_rules_that_apply_together_are_one_obligation_that_satisfies_each if {
	testing.rules(line) == ["approval.one", "approval.two"]
	{
		"kind": "approve", "approvers": ["security"], "count": 2, "wait_s": 20, "valid_s": 300,
	} == testing.decide(line).obligations[0]
}

test_approvers_without_a_group_in_common_deny if {
	testing.rules(testing.http(["wide"], "DELETE", "/orders/1/notes/2")) == ["policy.approval_conflict"]
}

test_an_approval_is_satisfied_by_enough_people if {
	testing.effect(approved_by(order, ["alice"])) == "allow"
	testing.effect(approved_by(line, ["alice"])) == "approve"
	testing.effect(approved_by(line, ["alice", "alice"])) == "approve"
	testing.effect(approved_by(line, ["alice", "bob"])) == "allow"
}

test_an_allowed_request_never_still_asks_for_approval if {
	not "approve" in testing.kinds(approved_by(order, ["alice"]))
}

test_an_approval_that_is_not_one_does_not_count if {
	every approval in [true, {}, {"id": "a"}, {"id": "a", "approvers": "alice"}, {"id": 1, "approvers": ["alice"]}, {"id": "a", "approvers": {"0": "alice"}}] {
		testing.effect(object.union(order, {"context": {"approval": approval}})) == "approve"
	}
}

test_an_approval_never_allows_what_is_not_granted if {
	testing.rules(approved_by(testing.http([], "DELETE", "/orders/1"), ["alice"])) == ["policy.no_grant"]
}

test_an_approval_never_allows_what_is_denied if {
	request := testing.http(["wide", "blocked"], "DELETE", "/orders/1")
	testing.rules(approved_by(request, ["alice"])) == ["deny.blocked"]
}

test_an_approval_never_stands_in_for_facts if {
	incomplete := object.union(order, {"context": {"facts": {"incomplete": ["cut"]}}})
	testing.rules(approved_by(incomplete, ["alice"])) == ["policy.facts_incomplete"]
}

test_a_phrase_in_a_tool_call_holds_it if {
	testing.rules(testing.tool_use(["researchers"], "query", {"phrases": ["production"]})) == ["approval.words"]
	testing.effect(testing.tool_use(["researchers"], "query", {"phrases": ["secret_lists"]})) == "allow"
}
