package countersign.restrictions_test

import data.countersign.decision
import data.countersign.testing

with_facts(request, facts) := object.union(request, {"context": {"facts": facts}})

wide(method, path, http) := with_facts(testing.http(["wide"], method, path), {"http": http})

test_a_query_restriction_applies_when_any_value_fits if {
	testing.effect(wide("GET", "/a", {"query": {"preview": ["0"]}})) == "allow"
	testing.rules(wide("GET", "/a", {"query": {"preview": ["0", "true"]}})) == ["deny.preview"]
}

test_a_restriction_applies_to_values_that_are_no_list if {
	every values in ["0", null, 0, {"x": "0"}] {
		testing.rules(wide("GET", "/a", {"query": {"preview": values}})) == ["deny.preview"]
		testing.rules(pay(["wide"], values)) == ["deny.large"]
	}
}

pay(groups, values) := with_facts(
	testing.http(groups, "POST", "/payments/1"),
	{"paths": {"$.amount": values}},
)

test_a_body_restriction_applies_from_its_bound if {
	testing.effect(pay(["wide"], [9999])) == "allow"
	testing.rules(pay(["wide"], [10000])) == ["deny.large"]
	testing.rules(pay(["wide"], [1, 10000])) == ["deny.large"]
}

band(amount) := with_facts(testing.http(["wide"], "POST", "/bands"), {"paths": {"$.amount": [amount]}})

test_a_band_has_two_ends if {
	testing.effect(band(9)) == "allow"
	testing.rules(band(10)) == ["deny.band"]
	testing.rules(band(20)) == ["deny.band"]
	testing.effect(band(21)) == "allow"
}

test_text_where_a_number_is_expected_counts_against_the_request if {
	testing.rules(pay(["wide"], ["10000"])) == ["deny.large"]
	testing.rules(pay(["wide"], ["1"])) == ["deny.large"]
}

test_an_exception_lifts_only_its_restriction if {
	testing.effect(pay(["wide", "treasurers"], [10000])) == "allow"
	testing.rules(pay(["wide", "treasurers", "blocked"], [10000])) == ["deny.blocked"]
}

test_a_restriction_on_what_is_absent_applies if {
	testing.rules(wide("GET", "/signed/a", {})) == ["deny.unsigned"]
	testing.rules(wide("GET", "/SIGNED/a", {})) == ["deny.unsigned"]
	testing.rules(wide("GET", "/signed;v=1/a;b", {})) == ["deny.unsigned"]
	testing.effect(wide("GET", "/signed/a", {"query": {"signature": ["s"]}})) == "allow"
}

found(counts) := with_facts(testing.http(["wide"], "POST", "/a"), {"detectors": counts})

test_findings_apply_from_their_count if {
	testing.effect(found({"aws_key": 1, "private_key": 0})) == "allow"
	testing.rules(found({"aws_key": 2})) == ["deny.keys"]
	testing.rules(found({"private_key": 1})) == ["deny.keys"]
}

test_a_body_that_was_not_inspected_is_denied_where_policy_depends_on_it if {
	testing.rules(wide("POST", "/a", {"body_bytes": 5, "inspected": false})) == ["http.body_not_inspected"]
	testing.rules(wide("POST", "/a", {"body_bytes": -1, "inspected": false})) == ["http.body_not_inspected"]
	testing.effect(wide("POST", "/a", {"body_bytes": 0, "inspected": false})) == "allow"
	testing.effect(wide("POST", "/a", {"body_bytes": 5, "inspected": true})) == "allow"
}

test_a_body_may_stream_where_policy_does_not_look_at_it if {
	orders := object.union(data.fixture.connections.orders, {"must_inspect": false})
	answer := decision.decision with input as wide("POST", "/a", {"body_bytes": -1, "inspected": false})
		with data.countersign.connections as {"orders": orders}
		with data.countersign.messages as data.fixture.messages
	answer.effect == "allow"
}

test_a_model_is_denied_by_name if {
	testing.rules(testing.messages(["writers"], "claude-family-1", {})) == ["deny.old_models"]
	testing.effect(testing.messages(["writers"], "claude-family-2", {})) == "allow"
}

test_a_restriction_on_an_issuer_applies_to_it_alone if {
	request := object.union(
		testing.messages(["writers"], "claude-exact", {}),
		{"subject": {"properties": {"issuer": "https://guests.example.com"}}},
	)
	testing.rules(request) == ["deny.guests"]
}

test_restrictions_on_subjects_reach_every_action if {
	testing.rules(testing.tool_use(["writers", "blocked"], "Read", {})) == ["deny.blocked"]
	models := object.remove(
		object.union(
			testing.messages(["writers", "blocked"], "", {}),
			{"action": {"name": "anthropic.models.list"}},
		),
		[],
	)
	testing.rules(json.remove(models, ["context/facts/anthropic"])) == ["deny.blocked"]
}

test_a_path_that_reads_in_two_ways_is_denied if {
	every segments in [
		["a/b"], ["a", ".."], ["a", ".", "b"], ["..", "a"], ["a", "", "b"], [`a\b`], ["%2E%2e"], ["a%2Fb"],
		["a%5cb"], ["..;x=1", "a"], [".;"], ["a\u0000"], ["a\nb"],
	] {
		request := object.union(
			testing.http(["wide"], "GET", "/a"),
			{"context": {"facts": {"http": {"segments": segments}}}},
		)
		testing.rules(request) == ["http.path_ambiguous"]
	}
}

test_dots_within_a_name_are_not_ambiguous if {
	every path in ["/a.b", "/..a", "/a..", "/.well-known/x", "/a/", "/..."] {
		testing.effect(testing.http(["wide"], "GET", path)) == "allow"
	}
}
