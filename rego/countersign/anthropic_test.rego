package countersign.anthropic_test

import data.countersign.testing

asked(what) := testing.messages(["researchers"], "claude-exact", what)

test_models_match_by_name_and_prefix if {
	testing.effect(testing.messages(["writers"], "claude-exact", {})) == "allow"
	testing.effect(testing.messages(["writers"], "claude-family-2", {})) == "allow"
	every model in ["claude-exact-2", "claude-exac", "claude-family", "xclaude-family-2", "", "*", "claude-*"] {
		testing.effect(testing.messages(["writers"], model, {})) == "deny"
	}
}

test_provider_features_are_denied_without_a_grant if {
	every kind in ["server_tools", "mcp_servers", "url_sources", "provider_features"] {
		request := testing.messages(["writers"], "claude-exact", {kind: ["something"]})
		testing.rules(request) == [concat("", ["anthropic.", kind])]
	}
}

test_unknown_features_are_denied_where_they_are_refused if {
	every kind in ["betas", "unknown_fields", "unknown_blocks", "uninspected_blocks"] {
		request := testing.messages(["writers"], "claude-exact", {kind: ["something"]})
		testing.rules(request) == [concat("", ["anthropic.", kind])]
	}
}

test_features_are_allowed_by_the_grant_that_names_them if {
	testing.effect(asked({
		"server_tools": ["web_search_20250305"],
		"mcp_servers": ["mcp.example.com"],
		"url_sources": ["files.example.com"],
		"provider_features": ["container"],
		"betas": ["files-api-2025-04-14"],
		"unknown_fields": ["novelty"],
		"unknown_blocks": ["hologram"],
		"uninspected_blocks": ["image"],
	})) == "allow"
}

test_one_feature_that_is_not_granted_denies_the_request if {
	testing.rules(asked({"server_tools": ["web_search_1", "code_execution_1"]})) == ["anthropic.server_tools"]
	testing.rules(asked({"mcp_servers": ["mcp.example.com.evil.net"]})) == ["anthropic.mcp_servers"]
	testing.rules(asked({"url_sources": ["example.com"]})) == ["anthropic.url_sources"]
	testing.rules(asked({"url_sources": ["evilexample.com"]})) == ["anthropic.url_sources"]
}

test_a_feature_is_not_granted_to_others if {
	request := testing.messages(["writers", "researchersX"], "claude-exact", {"provider_features": ["container"]})
	testing.rules(request) == ["anthropic.provider_features"]
}

test_the_list_of_models_needs_a_grant if {
	every name in ["anthropic.models.list", "anthropic.models.get"] {
		request := object.union(testing.messages(["writers"], "", {}), {"action": {"name": name}})
		testing.effect(json.remove(request, ["context/facts/anthropic"])) == "allow"
		testing.effect(object.union(request, {"subject": {"properties": {"groups": []}}})) == "deny"
	}
}

test_prompts_above_the_limit_are_denied if {
	testing.effect(asked({"token_estimate": 1000})) == "allow"
	testing.rules(asked({"token_estimate": 1001})) == ["prompt.too_long"]
}

test_forbidden_phrases_are_denied if {
	request := object.union(asked({}), {"context": {"facts": {"phrases": ["secret"]}}})
	testing.rules(request) == ["prompt.forbidden_phrase"]
	other := object.union(asked({}), {"context": {"facts": {"phrases": ["production"]}}})
	testing.effect(other) == "allow"
}

test_an_estimate_that_is_not_a_number_is_no_grant if {
	testing.effect(asked({"token_estimate": "10"})) == "deny"
	testing.effect(json.remove(asked({}), ["context/facts/anthropic/token_estimate"])) == "deny"
}

test_tools_match_by_name_and_prefix if {
	testing.effect(testing.tool_use(["writers"], "Read", {})) == "allow"
	testing.effect(testing.tool_use(["writers"], "mcp__docs__search", {})) == "allow"
	every name in ["read", "Reads", "mcp__docs", "mcp__docs2__search", "Write"] {
		testing.effect(testing.tool_use(["writers"], name, {})) == "deny"
	}
}

test_a_shell_command_must_be_parsed if {
	testing.rules(testing.tool_use(["researchers"], "Bash", {})) == ["tool.shell_not_parsed"]
	testing.rules(testing.tool_use(["researchers"], "bash", {})) == ["tool.shell_not_parsed"]
	testing.rules(testing.tool_use(
		["researchers"], "run",
		{"tool": {"name": "run", "input_bytes": 1, "input": {"command": ""}}},
	)) == ["tool.shell_not_parsed"]
	testing.effect(testing.tool_use(["researchers"], "Bash", testing.shell({}))) == "allow"
	every part in ["commands", "pipes_into", "redirects", "undetermined"] {
		request := testing.tool_use(["researchers"], "Bash", testing.shell({}))
		broken := json.remove(request, [concat("", ["context/facts/shell/", part])])
		testing.rules(broken) == ["tool.shell_not_parsed"]
	}
}

test_a_shell_command_in_another_shape_is_not_parsed if {
	every part in ["name", "args", "flags", "wrappers"] {
		request := testing.tool_use(["researchers"], "Bash", testing.command("rm", ["x"], ["-r"]))
		broken := json.remove(request, [concat("", ["context/facts/shell/commands/0/", part])])
		testing.rules(broken) == ["tool.shell_not_parsed"]
	}
	every shell in [
		{"commands": ["rm"]}, {"pipes_into": [null]}, {"undetermined": [1]}, {"redirects": ["x"]}, {"redirects": [{"op": ">"}]},
	] {
		testing.rules(testing.tool_use(["researchers"], "Bash", testing.shell(shell))) == ["tool.shell_not_parsed"]
	}
}

test_an_input_with_a_field_that_is_no_text_is_denied if {
	every value in [null, 1, ["drop table x"], {"x": "drop table x"}] {
		tool := {"name": "query", "input_bytes": 1, "input": {"sql": value}}
		testing.effect(testing.tool_use(["researchers"], "query", {"tool": tool})) == "deny"
	}
}

test_a_feature_whose_name_is_no_text_is_denied if {
	every kind in ["server_tools", "mcp_servers", "url_sources", "provider_features", "betas", "unknown_fields"] {
		every name in [null, 1, ["x"], {"x": 1}] {
			testing.effect(testing.messages(["writers"], "claude-exact", {kind: [name]})) == "deny"
		}
	}
}

test_tool_calls_carry_no_limit if {
	"limit" in testing.kinds(testing.messages(["writers"], "claude-exact", {}))
	not "limit" in testing.kinds(testing.tool_use(["writers"], "Read", {}))
}
