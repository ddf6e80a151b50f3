package countersign.decision

import data.countersign.lib.match
import data.countersign.lib.path

# METADATA
# title: A grant covers the request
# description: grants.yaml. A request whose facts are not whole is covered by none.
# custom:
#   rule_id: grant.<id>
allow contains {"rule": entry.rule, "message": data.countersign.messages[entry.rule]} if {
	prepared
	described
	some entry in granted
}

# METADATA
# description: Whether every table is there. A table that is gone would take its restrictions with it unseen.
prepared if {
	is_object(here.deny)
	is_object(here.approvals)
	is_object(here.taints)
	is_boolean(here.flows)
	is_object(here.prompts)
	is_object(here.features)
	is_array(here.masks)
	is_boolean(here.must_inspect)
}

# METADATA
# description: Grants whose place in the index, principal and conditions all fit.
granted := [entry | some entry in match.http(here.grants.http, path.rooted); match.holds(entry)] if {
	input.action.name == "http.request"
}

granted := [entry |
	some entry in match.named(here.grants.models, input.context.facts.anthropic.model)
	match.holds(entry)
] if {
	input.action.name in {"anthropic.messages.create", "anthropic.messages.count_tokens"}
}

granted := [entry |
	some entry in match.named(here.grants.tools, input.context.facts.tool.name)
	match.holds(entry)
] if {
	input.action.name == "anthropic.tool_use"
}

granted := [entry | some entry in match.held([here.grants.all]); match.holds(entry)] if {
	input.action.name in {"anthropic.models.list", "anthropic.models.get"}
}

# METADATA
# description: |
#   Whether everything that restrictions look at is there. A fact that is missing, or a name that is no text, would
#   be a restriction that is silent; so then nothing is allowed.
described if {
	facts := input.context.facts
	texts(facts.incomplete)
	texts(facts.phrases)
	is_object(facts.detectors)
	is_object(facts.paths)
	described_for(input.action.name)
}

described_for("http.request") if {
	http := input.context.facts.http
	is_string(http.method)
	is_object(http.query)
	is_number(http.body_bytes)
	is_boolean(http.inspected)
}

described_for(name) if {
	name in {"anthropic.messages.create", "anthropic.messages.count_tokens"}
	asked := input.context.facts.anthropic
	is_number(asked.token_estimate)
	every kind in feature_kinds {
		texts(asked[kind])
	}
}

described_for("anthropic.tool_use") if {
	tool := input.context.facts.tool
	tool.name == input.resource.id
	is_object(tool.input)
	every value in tool.input {
		is_string(value)
	}
	is_array(tool.paths)
	every file in tool.paths {
		is_string(file.path)
	}
	is_array(tool.hosts)
	every place in tool.hosts {
		is_string(place.host)
		is_string(place.by)
		is_boolean(place.sends)
	}
	sql_described
}

# A call without SQL has no facts of it.
sql_described if not has_sql

sql_described if {
	sql := input.context.facts.sql
	texts(sql.undetermined)
	is_array(sql.statements)
	every statement in sql.statements {
		is_string(statement.kind)
		is_boolean(statement.writes)
		is_boolean(statement.has_where)
		texts(statement.functions)
	}
}

has_sql if "sql" in object.keys(input.context.facts)

described_for(name) if {
	name in {"anthropic.models.list", "anthropic.models.get"}
}

texts(list) if {
	is_array(list)
	every one in list {
		is_string(one)
	}
}

# METADATA
# title: Incomplete facts
# description: What could not be inspected is denied, unless a grant accepts the reason.
# custom:
#   rule_id: policy.facts_incomplete
deny contains {
	"rule": "policy.facts_incomplete",
	"message": concat("", ["The request could not be inspected whole: ", why, "."]),
} if {
	some why in input.context.facts.incomplete
	not accepted("incomplete", why)
}

# METADATA
# description: Whether a grant that covers the request accepts this of a kind.
accepted(kind, name) if {
	some entry in granted
	match.includes(entry.accepts[kind], name)
}
