package countersign.flow_test

import data.countersign.testing

seen(request, taints) := object.union(request, {"context": {"session": {"taints": taints}}})

exports := testing.http(["wide"], "POST", "/exports")

test_until_policy_is_told_the_worst_is_assumed_and_it_asks if {
	answer := testing.decide(exports)
	answer.effect == "deny"
	answer.flow == {"asks": true}
	testing.rules(exports) == ["deny.exports_after_ledger"]
}

test_a_session_that_has_seen_nothing_of_it_may if {
	answer := testing.decide(seen(exports, []))
	answer.effect == "allow"
	not answer.flow
	testing.effect(seen(exports, ["outside"])) == "allow"
}

test_a_session_that_has_seen_it_may_not if {
	every taints in [["ledger"], ["cards"], ["outside", "ledger"]] {
		testing.rules(seen(exports, taints)) == ["deny.exports_after_ledger"]
		not testing.decide(seen(exports, taints)).flow
	}
}

test_taints_that_are_no_list_tell_nothing if {
	every taints in ["ledger", null, {"ledger": true}, 0] {
		answer := testing.decide(seen(exports, taints))
		answer.effect == "deny"
		answer.flow.asks
	}
}

test_reading_adds_to_what_the_session_has_seen if {
	testing.decide(testing.http(["wide"], "GET", "/ledger/1")).flow == {"adds": ["ledger"]}
	testing.decide(testing.http(["wide"], "GET", "/Ledger/1")).flow == {"adds": ["ledger"]}
	not testing.decide(testing.http(["wide"], "POST", "/ledger/1")).flow
	not testing.decide(testing.http(["wide"], "GET", "/other")).flow
}

test_findings_add_too if {
	with_card := object.union(
		testing.http(["wide"], "GET", "/ledger/1"),
		{"context": {"facts": {"detectors": {"credit_card": 2}}}},
	)
	testing.decide(with_card).flow.adds == ["cards", "ledger"]
}

reads_tables(tables, undetermined) := testing.tool_use(["researchers"], "query", {"sql": {
	"statements": [{
		"kind": "select", "tables": tables, "writes": false, "has_where": false, "functions": [],
	}],
	"undetermined": undetermined,
}})

test_tables_add_by_name_and_by_schema if {
	testing.decide(reads_tables(["salaries"], [])).flow.adds == ["payroll"]
	testing.decide(reads_tables(["other", "payroll.bonus"], [])).flow.adds == ["payroll"]
	not testing.decide(reads_tables(["salaries_old"], [])).flow
}

test_sql_that_was_not_understood_may_have_read_any if {
	testing.decide(reads_tables([], ["syntax"])).flow.adds == ["payroll"]
}

test_an_approval_may_hang_on_the_session if {
	mail := testing.tool_use(["researchers"], "send_mail", {})
	testing.decide(mail).flow.asks
	testing.effect(seen(mail, ["outside"])) == "approve"
	testing.effect(seen(mail, [])) == "allow"
}
