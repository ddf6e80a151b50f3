package countersign.administration_test

import data.countersign.decision
import data.countersign.testing

own := {"subject": {"issuer": "https://one.example.com", "id": "olivia"}}

test_who_an_entry_names_may_with_a_reason if {
	answer := testing.decide(testing.unmask(["investigators"], {}))
	answer == {
		"effect": "allow",
		"reasons": [{
			"rule": "administration.investigators",
			"message": "Investigators look into everything.",
		}],
		"obligations": [],
	}
}

test_nobody_else_may if {
	every groups in [[], ["wide"], ["keepers"], ["countersign.sessions.unmask"], ["*"]] {
		testing.rules(testing.unmask(groups, {})) == ["policy.no_grant"]
	}
}

test_an_entry_is_for_its_actions_alone if {
	actions := {"countersign.evidence.erase", "countersign.evidence.hold", "countersign.sessions", "countersign.", "countersign.sessions.unmask2"}
	every action in actions {
		request := testing.unmask(["investigators"], {})
		testing.rules(object.union(request, {"action": {"name": action}})) == ["policy.no_grant"]
	}
}

test_no_reason_is_a_deny_that_says_so if {
	every reason in ["", "  ", " \t\n", null, 0, true, ["why"]] {
		testing.rules(testing.unmask(["investigators"], {"reason": reason})) == ["administration.reason_missing"]
	}
	without := json.remove(testing.unmask(["investigators"], {}), ["context/facts/admin/reason"])
	testing.rules(without) == ["administration.reason_missing"]
}

hold(groups, admin) := testing.administer(groups, "countersign.evidence.hold", "countersign.log", admin)

test_an_entry_may_do_without_a_reason if {
	testing.effect(hold(["keepers"], {})) == "allow"
	testing.effect(hold(["keepers"], {"reason": "Lawsuit."})) == "allow"
	testing.effect(hold(["keepers"], {"reason": 7})) == "deny"
	testing.rules(hold(["investigators"], {})) == ["administration.reason_missing"]
}

test_nobody_reads_their_own_session if {
	testing.rules(testing.unmask(["investigators"], own)) == ["administration.own_session"]
	another := {"subject": {"issuer": "https://two.example.com", "id": "olivia"}}
	testing.effect(testing.unmask(["investigators"], another)) == "allow"
}

test_an_export_of_ones_own_is_ones_own if {
	export := testing.administer(
		["investigators"], "countersign.evidence.export", "countersign.log",
		object.union({"reason": "Audit."}, own),
	)
	testing.rules(export) == ["administration.own_session"]
	testing.effect(json.remove(export, ["context/facts/admin/subject"])) == "allow"
}

erase(department, admin) := object.union(
	testing.administer([], "countersign.evidence.erase", "countersign.session", admin),
	{"subject": {"properties": {"claims": {"department": department}}}},
)

test_an_entry_may_be_for_sessions_of_ones_own_too if {
	testing.effect(erase("privacy", object.union({"reason": "Asked to."}, own))) == "allow"
	testing.rules(erase("privacy", own)) == ["administration.own_session", "administration.reason_missing"]
	testing.rules(erase("sales", object.union({"reason": "Asked to."}, own))) == ["administration.own_session"]
}

desk(admin, subject) := object.union(testing.unmask(["desk"], admin), {"subject": subject})

test_all_that_is_reached_must_be_of_the_connections_of_the_entry if {
	testing.effect(testing.unmask(["desk"], {})) == "allow"
	testing.effect(testing.unmask(["desk"], {"connections": ["orders", "orders"]})) == "allow"
	every reached in [["model"], ["orders", "model"], [], null, "orders", {"a": "orders"}, [1], ["orders", null]] {
		testing.rules(testing.unmask(["desk"], {"connections": reached})) == ["policy.no_grant"]
	}
	unknown := json.remove(testing.unmask(["desk"], {}), ["context/facts/admin/connections"])
	testing.rules(unknown) == ["policy.no_grant"]
}

test_issuer_and_type_restrict_an_entry if {
	testing.effect(desk({}, {"type": "agent"})) == "deny"
	testing.effect(desk({}, {"properties": {"issuer": "https://two.example.com"}})) == "deny"
}

test_an_action_on_a_session_needs_to_know_whose_it_is if {
	request := testing.unmask(["investigators"], {})
	whole := "context/facts/admin/subject"
	every path in [whole, concat("", [whole, "/id"]), concat("", [whole, "/issuer"]), "context/facts/admin", "context/facts"] {
		testing.effect(json.remove(request, [path])) == "deny"
	}
	every subject in [null, "robot", {}, {"issuer": 1, "id": "robot"}, {"issuer": "i", "id": null}, {"issuer": "", "id": "robot"}, {"issuer": "i", "id": ""}] {
		testing.effect(json.patch(request, [{"op": "replace", "path": whole, "value": subject}])) == "deny"
	}
	export := testing.administer(
		["investigators"], "countersign.evidence.export", "countersign.log",
		{"reason": "Audit.", "subject": null},
	)
	testing.effect(export) == "deny"
}

test_an_action_is_done_to_what_it_is_for if {
	request := testing.unmask(["investigators"], {})
	every type in ["countersign.log", "http.path", "", null] {
		testing.effect(json.patch(request, [{"op": "replace", "path": "resource/type", "value": type}])) == "deny"
	}
}

test_a_person_who_is_not_known_may_nothing if {
	request := testing.unmask(["investigators"], {})
	every path in ["subject/id", "subject/properties/issuer", "subject/properties", "subject"] {
		testing.effect(json.remove(request, [path])) == "deny"
	}
}

test_times_are_numbers if {
	testing.effect(testing.unmask(["investigators"], {"since_ms": 1, "until_ms": 2})) == "allow"
	testing.effect(testing.unmask(["investigators"], {"since_ms": "1"})) == "deny"
	testing.effect(testing.unmask(["investigators"], {"until_ms": null})) == "deny"
}

test_a_deny_of_every_connection_reaches_administration if {
	testing.rules(testing.unmask(["investigators", "blocked"], {})) == ["deny.blocked"]
}

test_it_is_on_its_own_connection_alone if {
	elsewhere := object.union(
		testing.unmask(["investigators", "wide"], {}),
		{"resource": {"properties": {"connection": "orders"}}},
	)
	testing.effect(elsewhere) == "deny"
	request := object.union(
		testing.http(["wide", "investigators"], "GET", "/a"),
		{"resource": {"properties": {"connection": "countersign"}}},
	)
	testing.effect(request) == "deny"
}

test_without_its_table_nobody_may if {
	bare := object.remove(data.fixture.connections.countersign, ["administration"])
	answer := decision.decision with input as testing.unmask(["investigators"], {})
		with data.countersign.connections as {"countersign": bare}
		with data.countersign.messages as data.fixture.messages
	answer.effect == "deny"
}
