package countersign.decision_test

import data.countersign.decision
import data.countersign.testing

denied(request) if testing.effect(request) == "deny"

test_nothing_matched_is_denied if {
	testing.rules(testing.http([], "GET", "/orders/1")) == ["policy.no_grant"]
}

test_a_deny_wins_over_a_grant if {
	testing.rules(testing.http(["wide", "blocked"], "GET", "/orders/1")) == ["deny.blocked"]
}

test_a_denied_request_has_no_obligations if {
	testing.decide(testing.http(["blocked"], "GET", "/")).obligations == []
}

test_every_grant_that_matches_is_a_reason_in_order if {
	testing.rules(testing.http(["wide"], "GET", "/public/a")) == ["grant.anyone", "grant.wide"]
}

test_an_empty_input_is_denied if denied({})

test_an_input_that_is_no_object_is_denied if {
	every input_value in [null, false, 0, "", []] {
		denied(input_value)
	}
}

test_without_data_everything_is_denied if {
	answer := decision.decision with input as testing.http(["wide"], "GET", "/")
		with data.countersign.connections as {}
	answer.effect == "deny"
}

test_without_one_table_everything_is_denied if {
	some_tables := {"grants", "deny", "approvals", "masks", "duties", "must_inspect", "features", "prompts"}
	every table in some_tables {
		orders := object.remove(data.fixture.connections.orders, [table])
		answer := decision.decision with input as testing.http(["wide"], "GET", "/orders/1")
			with data.countersign.connections as {"orders": orders}
			with data.countersign.messages as data.fixture.messages
		answer.effect == "deny"
	}
}

test_a_rule_without_a_message_does_not_allow if {
	answer := decision.decision with input as testing.http(["wide"], "GET", "/orders/1")
		with data.countersign.connections as data.fixture.connections
		with data.countersign.messages as {}
	answer.effect == "deny"
}

test_reasons_are_sorted_by_rule if {
	decision.by_rule({
		{"rule": "b", "message": "1"},
		{"rule": "a", "message": "2"},
	}) == [{"rule": "a", "message": "2"}, {"rule": "b", "message": "1"}]
}

test_settings_of_a_connection_replace_those_of_all if {
	{"kind": "record", "body": "metadata"} in testing.decide(testing.http(["wide"], "GET", "/a")).obligations
	{"kind": "record", "body": "full"} in testing.decide(testing.messages(["writers"], "claude-exact", {})).obligations
}
