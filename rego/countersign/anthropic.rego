package countersign.decision

# METADATA
# description: What a Messages API request can ask for beyond text and client tools.
feature_kinds := array.concat(provider_kinds, unknown_kinds)

# What runs, or is fetched or kept, at the provider: out of the enforcement point's sight, so denied by default.
provider_kinds := ["server_tools", "mcp_servers", "url_sources", "provider_features"]

# What the enforcement point does not know or did not look into: features.yaml says.
unknown_kinds := ["betas", "unknown_fields", "unknown_blocks", "uninspected_blocks"]

# METADATA
# title: A feature that no grant names
# description: Provider-run features always, unknown ones when features.yaml refuses them.
# custom:
#   rule_id: anthropic.<kind>
deny contains {
	"rule": concat("", ["anthropic.", kind]),
	"message": concat("", ["No grant covers ", kind, " ", name, "."]),
} if {
	some kind in refused_kinds
	some name in input.context.facts.anthropic[kind]
	not accepted(kind, name)
}

# Everything but a clear `pass` is refused.
refused_kinds := array.concat(
	provider_kinds,
	[kind | some kind in unknown_kinds; not here.features[kind] == "pass"],
)

# METADATA
# title: A prompt that is too long
# description: prompts.yaml, max_token_estimate
# custom:
#   rule_id: prompt.too_long
deny contains {
	"rule": "prompt.too_long",
	"message": concat("", [
		"The prompt has up to ", format_int(input.context.facts.anthropic.token_estimate, 10),
		" tokens; the limit is ", format_int(here.prompts.max_token_estimate, 10), ".",
	]),
} if {
	input.context.facts.anthropic.token_estimate > here.prompts.max_token_estimate
}

# METADATA
# title: A forbidden phrase
# description: prompts.yaml, forbidden_phrases
# custom:
#   rule_id: prompt.forbidden_phrase
deny contains {
	"rule": "prompt.forbidden_phrase",
	"message": concat("", ["A phrase of the list ", list, " must not be sent."]),
} if {
	some list in input.context.facts.phrases
	list in here.prompts.forbidden_phrases
}

# METADATA
# title: A shell command that was not parsed
# description: Rules on tool calls rest on the parsed command; without it nothing can be said of it.
# custom:
#   rule_id: tool.shell_not_parsed
deny contains {
	"rule": "tool.shell_not_parsed",
	"message": "The tool call carries a command that was not parsed.",
} if {
	runs_shell
	not shell_parsed
}

runs_shell if lower(input.context.facts.tool.name) == "bash"

runs_shell if input.context.facts.tool.input.command

shell_parsed if {
	shell := input.context.facts.shell
	is_array(shell.commands)
	every command in shell.commands {
		is_string(command.name)
		texts(command.args)
		texts(command.flags)
		texts(command.wrappers)
	}
	is_array(shell.redirects)
	every redirect in shell.redirects {
		is_string(redirect.op)
		is_string(redirect.target)
	}
	texts(shell.pipes_into)
	texts(shell.undetermined)
	texts(shell.code)
}
