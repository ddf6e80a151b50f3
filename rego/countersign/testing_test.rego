# METADATA
# title: Requests for the tests
# description: On the tables of rego/fixtures, which are prepared like those of rego/data.
package countersign.testing

import data.countersign.decision

decide(request) := answer if {
	answer := decision.decision with input as request
		with data.countersign.connections as data.fixture.connections
		with data.countersign.messages as data.fixture.messages
}

effect(request) := decide(request).effect

rules(request) := [reason.rule | some reason in decide(request).reasons]

kinds(request) := [obligation.kind | some obligation in decide(request).obligations]

subject(groups) := {
	"type": "agent",
	"id": "robot",
	"properties": {"issuer": "https://one.example.com", "groups": groups, "scopes": [], "claims": {}},
}

context := {
	"time_ms": 1767225600000,
	"session": {"id": "session-1"},
	"source": {},
	"facts_revision": "",
	"facts": {"detectors": {}, "phrases": [], "paths": {}, "incomplete": []},
}

http(groups, method, path) := {
	"subject": subject(groups),
	"action": {"name": "http.request"},
	"resource": {"type": "http.path", "id": path, "properties": {"connection": "orders", "kind": "http"}},
	"context": object.union(context, {"facts": {"http": {
		"method": method,
		"path": path,
		"segments": split(substring(path, 1, -1), "/"),
		"query": {},
		"body_bytes": 0,
		"inspected": true,
	}}}),
}

messages(groups, model, asked) := {
	"subject": subject(groups),
	"action": {"name": "anthropic.messages.create"},
	"resource": {"type": "anthropic.model", "id": model, "properties": {"connection": "model", "kind": "anthropic"}},
	"context": object.union(context, {"facts": {"anthropic": object.union(
		{
			"model": model,
			"stream": false,
			"messages": 1,
			"tools": [],
			"server_tools": [],
			"mcp_servers": [],
			"url_sources": [],
			"provider_features": [],
			"betas": [],
			"unknown_fields": [],
			"unknown_blocks": [],
			"uninspected_blocks": [],
			"token_estimate": 10,
		},
		asked,
	)}}),
}

tool_use(groups, name, facts) := {
	"subject": subject(groups),
	"action": {"name": "anthropic.tool_use"},
	"resource": {"type": "anthropic.tool", "id": name, "properties": {"connection": "model", "kind": "anthropic"}},
	"context": object.union(context, {"facts": object.union(
		{"tool": {"name": name, "input_bytes": 2, "input": {}, "paths": [], "hosts": []}},
		facts,
	)}),
}

shell(command) := {"shell": object.union(
	{"commands": [], "pipes_into": [], "redirects": [], "substitutions": 0, "undetermined": [], "code": []},
	command,
)}

command(name, args, flags) := {"commands": [{"name": name, "args": args, "flags": flags, "wrappers": []}]}

patched(request, patch) := object.union(request, patch)

administer(groups, action, type, admin) := {
	"subject": object.union(subject(groups), {"type": "user", "id": "olivia"}),
	"action": {"name": action},
	"resource": {"type": type, "id": "s-1", "properties": {"connection": "countersign", "kind": "countersign"}},
	"context": object.union(context, {"facts": {"admin": admin}}),
}

unmask(groups, admin) := administer(groups, "countersign.sessions.unmask", "countersign.session", object.union(
	{"reason": "A complaint.", "subject": {"issuer": "https://one.example.com", "id": "robot"}, "connections": ["orders"]},
	admin,
))
