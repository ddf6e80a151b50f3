package countersign.decision

import data.countersign.lib.match
import data.countersign.lib.path

# METADATA
# title: A deny rule applies
# description: deny.yaml
# custom:
#   rule_id: deny.<id>
deny contains {"rule": entry.rule, "message": data.countersign.messages[entry.rule]} if {
	some entry in restrictions(here.deny)
	match.applies(entry)
}

# METADATA
# title: An ambiguous path
# description: An encoded slash, a dot segment or the like, which servers read in different ways.
# custom:
#   rule_id: http.path_ambiguous
deny contains {
	"rule": "http.path_ambiguous",
	"message": "The path can be read in more than one way (encoded slash, dot segment, empty segment).",
} if {
	path.ambiguous
}

# METADATA
# title: A body that conditions depend on was not inspected
# custom:
#   rule_id: http.body_not_inspected
deny contains {
	"rule": "http.body_not_inspected",
	"message": "Policy depends on the body of this request, and it could not be inspected.",
} if {
	here.must_inspect
	input.context.facts.http.body_bytes != 0
	not input.context.facts.http.inspected
}

# METADATA
# description: Entries of a table of restrictions for this request, their conditions not yet looked at.
restrictions(table) := array.concat(match.http(table.http, path.restricted), match.held([table.all])) if {
	input.action.name == "http.request"
} else := array.concat(match.named(table.models, model), match.held([table.all])) if {
	model := input.context.facts.anthropic.model
} else := array.concat(match.named(table.tools, name), match.held([table.all])) if {
	name := input.context.facts.tool.name
} else := match.held([table.all])
