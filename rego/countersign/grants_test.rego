package countersign.grants_test

import data.countersign.testing

allowed(request) if testing.effect(request) == "allow"

denied(request) if testing.effect(request) == "deny"

with_properties(request, properties) := object.union(request, {"subject": {"properties": properties}})

with_facts(request, facts) := object.union(request, {"context": {"facts": facts}})

order := testing.http([], "GET", "/orders/1")

test_a_scope_grants if {
	allowed(with_properties(order, {"scopes": ["other", "orders.read"]}))
	denied(with_properties(order, {"scopes": ["orders"]}))
	denied(with_properties(order, {"scopes": "orders.read"}))
	denied(with_properties(order, {"groups": ["orders.read"]}))
}

robots := object.union(testing.http([], "PATCH", "/robots"), {"subject": {"type": "service"}})

test_a_subject_grants_only_of_its_issuer_and_type if {
	allowed(robots)
	denied(object.union(robots, {"subject": {"type": "agent"}}))
	denied(object.union(robots, {"subject": {"id": "robot2"}}))
	denied(with_properties(robots, {"issuer": "https://two.example.com"}))
}

page(claims) := with_properties(testing.http([], "GET", "/reports/q1/pages/3/4"), {"claims": claims})

test_a_claim_grants_by_value_and_type if {
	allowed(page({"department": "finance"}))
	allowed(page({"department": ["sales", "finance"]}))
	allowed(page({"department": 7}))
	allowed(page({"department": true}))
}

test_a_claim_of_another_type_does_not_grant if {
	every value in ["7", "true", false, null, {"a": "finance"}, [["finance"]], "Finance", `"finance"`] {
		denied(page({"department": value}))
	}
	denied(page({}))
	denied(page("finance"))
	denied(page(["finance"]))
}

test_a_path_matches_by_segment if {
	claims := {"department": "finance"}
	every path in ["/reports/a/pages", "/reports/a/pages/1", "/reports/a/pages/1/2/3", "/reports/a/pages/"] {
		allowed(with_properties(testing.http([], "GET", path), {"claims": claims}))
	}
	every path in ["/reports/a", "/reports//pages", "/reports/pages", "/reports/a/b/pages", "/reports/a/pagesX"] {
		denied(with_properties(testing.http([], "GET", path), {"claims": claims}))
	}
}

test_a_single_star_needs_a_segment if {
	denied(with_properties(testing.http([], "GET", "/orders/"), {"scopes": ["orders.read"]}))
	denied(with_properties(testing.http([], "GET", "/orders"), {"scopes": ["orders.read"]}))
	denied(with_properties(testing.http([], "GET", "/orders/1/2"), {"scopes": ["orders.read"]}))
}

test_the_root_is_not_everything if {
	allowed(testing.http([], "GET", "/"))
	denied(testing.http([], "GET", "/other"))
	allowed(testing.http([], "GET", "/public"))
	allowed(testing.http([], "GET", "/public/a/b"))
}

test_methods_are_exact if {
	denied(with_properties(testing.http([], "get", "/orders/1"), {"scopes": ["orders.read"]}))
	denied(with_properties(testing.http([], "HEAD", "/orders/1"), {"scopes": ["orders.read"]}))
}

test_a_star_among_patterns_is_not_read_from_the_request if {
	denied(testing.http([], "*", "/orders/1"))
	denied(testing.http(["*"], "GET", "/**"))
}

buy(query, paths) := with_facts(testing.http(["buyers"], "POST", "/orders"), {
	"http": {"query": query},
	"paths": object.union(
		{"$.amount": [5], "$.currency": ["EUR"], "$.quantity": [2], "$.discount": [0]},
		paths,
	),
})

test_conditions_hold_for_every_value if {
	allowed(buy({"mode": ["draft"]}, {}))
	allowed(buy({"mode": ["draft", "final"]}, {"$.amount": [1, 1000], "$.currency": ["USD"]}))
	denied(buy({"mode": ["draft", "live"]}, {}))
	denied(buy({"mode": ["draft"]}, {"$.amount": [5, 1001]}))
	denied(buy({"mode": ["draft"]}, {"$.amount": [0]}))
	denied(buy({"mode": ["draft"]}, {"$.quantity": [0]}))
	denied(buy({"mode": ["draft"]}, {"$.discount": [11]}))
}

test_a_value_that_is_missing_fits_no_condition if {
	denied(buy({"mode": []}, {}))
	denied(buy({}, {}))
	denied(buy({"mode": ["draft"]}, {"$.amount": []}))
	denied(json.remove(buy({"mode": ["draft"]}, {}), ["context/facts/paths/$.currency"]))
}

test_a_value_that_must_be_absent_is_absent if denied(buy({"mode": ["draft"], "debug": ["1"]}, {}))

test_what_is_not_a_number_is_in_no_range if {
	every value in ["5", null, true] {
		denied(buy({"mode": ["draft"]}, {"$.amount": [value]}))
		denied(buy({"mode": ["draft"]}, {"$.quantity": [value]}))
		denied(buy({"mode": ["draft"]}, {"$.discount": [value]}))
	}
}

archive(incomplete) := with_facts(testing.http(["archivists"], "PUT", "/archive/a"), {"incomplete": incomplete})

test_a_grant_may_accept_incomplete_facts if {
	allowed(archive(["json: too deep"]))
	testing.rules(archive(["json: too deep", "text: cut"])) == ["policy.facts_incomplete"]
}

test_facts_of_another_kind_do_not_help if {
	denied(object.union(testing.messages(["wide"], "claude-exact", {}), {"action": {"name": "http.request"}}))
	denied(object.union(testing.http(["writers"], "GET", "/"), {"action": {"name": "anthropic.messages.create"}}))
}

test_a_reason_that_is_no_text_is_not_accepted if {
	every reason in [null, 1, true, ["json: too deep"], {"x": 1}] {
		testing.effect(archive([reason])) == "deny"
	}
}

test_a_fact_that_is_missing_is_no_grant if {
	request := testing.http(["wide"], "GET", "/a")
	allowed(request)
	every fact in ["detectors", "phrases", "paths", "incomplete", "http"] {
		denied(json.remove(request, [concat("", ["context/facts/", fact])]))
	}
	every fact in ["method", "segments", "query", "body_bytes", "inspected"] {
		denied(json.remove(request, [concat("", ["context/facts/http/", fact])]))
	}
}

test_a_method_that_is_not_text_is_no_grant if {
	denied(with_facts(testing.http(["wide"], "GET", "/a"), {"http": {"method": 7}}))
}

test_groups_that_are_not_a_list_are_no_groups if {
	allowed(testing.http(["wide"], "GET", "/a"))
	denied(testing.http({"0": "wide"}, "GET", "/a"))
	denied(testing.http("wide", "GET", "/a"))
	denied(with_properties(order, {"scopes": {"0": "orders.read"}}))
}

picture(type) := with_facts(testing.http(["painters"], "POST", "/images"), {"http": {"content_type": type}})

test_a_content_type_is_granted_by_name if {
	allowed(picture("image/png"))
	denied(picture("image/svg+xml"))
	denied(picture(["image/png"]))
	denied(testing.http(["painters"], "POST", "/images"))
}

test_a_grant_of_one_issuer_grants_models_and_tools_to_it_alone if {
	every request in [
		testing.messages(["partners"], "claude-exact", {}),
		testing.tool_use(["partners"], "Read", {}),
		object.union(testing.messages(["partners"], "", {}), {"action": {"name": "anthropic.models.list"}}),
	] {
		allowed(request)
		denied(with_properties(request, {"issuer": "https://two.example.com"}))
	}
}

test_a_tool_call_is_about_the_resource_it_names if {
	request := testing.tool_use(["writers"], "Read", {})
	denied(object.union(request, {"resource": {"id": "Write"}}))
	denied(with_facts(request, {"tool": {"input": "text"}}))
}

test_a_tool_call_is_described_whole if {
	statement := {"kind": "select", "tables": [], "writes": false, "has_where": true, "functions": []}
	request := testing.tool_use(["writers"], "Read", {"sql": {"statements": [statement], "undetermined": []}})
	allowed(with_facts(request, {"tool": {
		"paths": [{"path": "a", "op": "read"}],
		"hosts": [{"host": "a", "by": "curl", "sends": false}],
	}}))
	every patch in [
		{"tool": {"paths": [{"op": "read"}]}},
		{"tool": {"paths": null}},
		{"tool": {"hosts": [{"host": "a", "by": "curl", "sends": "no"}]}},
		{"sql": null},
		{"sql": {"statements": {}}},
		{"sql": {"statements": [{"kind": "drop"}]}},
	] {
		denied(with_facts(request, patch))
	}
}

test_a_segment_that_is_not_text_is_no_grant if {
	denied(with_facts(testing.http(["wide"], "GET", "/a"), {"http": {"segments": ["a", 1]}}))
	denied(with_facts(testing.http(["wide"], "GET", "/a"), {"http": {"segments": {"0": "a"}}}))
}
