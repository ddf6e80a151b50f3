package countersign.masks_test

import data.countersign.decision
import data.countersign.testing

masks(request) := [obligation | some obligation in testing.decide(request).obligations; obligation.kind == "mask"]

test_the_strictest_style_wins_for_each_detector if {
	masks(testing.http(["wide"], "GET", "/a")) == [
		{"kind": "mask", "where": "request", "style": "token", "detectors": ["email"]},
		{"kind": "mask", "where": "response", "style": "redact", "detectors": ["email"]},
		{"kind": "mask", "where": "response", "style": "partial", "detectors": ["phone"]},
		{
			"kind": "mask", "where": "response", "style": "hash",
			"detectors": ["ipv4"], "fields": ["$..name"], "observe": true,
		},
	]
}

test_an_exception_lifts_only_its_mask if {
	masks(testing.http(["wide", "support"], "GET", "/a")) == [
		{"kind": "mask", "where": "request", "style": "token", "detectors": ["email"]},
		{"kind": "mask", "where": "response", "style": "partial", "detectors": ["email", "phone"]},
		{
			"kind": "mask", "where": "response", "style": "hash",
			"detectors": ["ipv4"], "fields": ["$..name"], "observe": true,
		},
	]
}

test_an_exception_of_one_issuer_lifts_nothing_for_another if {
	request := object.union(
		testing.http(["wide", "support"], "GET", "/a"),
		{"subject": {"properties": {"issuer": "https://two.example.com"}}},
	)
	masks(request) == masks(testing.http(["wide"], "GET", "/a"))
}

test_another_grant_drops_no_mask if {
	masks(testing.http(["wide", "buyers", "archivists"], "GET", "/public")) == masks(testing.http(
		["wide"],
		"GET", "/a",
	))
}

test_masks_that_do_not_meet_are_as_they_are_written if {
	masks(testing.messages(["writers"], "claude-exact", {})) == [{
		"kind": "mask",
		"where": "response",
		"style": "partial",
		"detectors": ["email", "phone"],
	}]
}

test_a_mask_of_a_rule_of_ones_own_unites_with_the_others if {
	own := {"kind": "mask", "where": "response", "style": "redact", "columns": ["salary"], "detectors": ["phone"]}
	answer := decision.decision with input as testing.messages(["writers"], "claude-exact", {})
		with data.countersign.connections as data.fixture.connections
		with data.countersign.messages as data.fixture.messages
		with decision.mask as {own}
	[mask | some mask in answer.obligations; mask.kind == "mask"] == [
		own,
		{"kind": "mask", "where": "response", "style": "partial", "detectors": ["email"]},
	]
}

test_no_mask_of_its_own_by_default if decision.mask == set()
