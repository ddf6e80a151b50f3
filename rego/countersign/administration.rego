package countersign.decision

import data.countersign.lib.match

# METADATA
# description: What people do to the evidence. The decision service makes these requests itself and takes them from nobody.
administrative if startswith(input.action.name, "countersign.")

# METADATA
# title: Who may administer the evidence
# description: administration.yaml. An entry covers a request only when every one of its terms is met.
# custom:
#   rule_id: administration.<id>
granted := [entry |
	some entry in match.held([here.administration[input.action.name]])
	match.holds(entry)
	input.resource.type in entry.administration.resources
	reason_suffices(entry.administration)
	owner_suffices(entry.administration)
	reach_suffices(entry.administration)
] if {
	administrative
}

reason_suffices(_) if reasoned

reason_suffices(terms) if terms.reason_required == false

owner_suffices(_) if not own

owner_suffices(terms) if terms.own_sessions == true

reach_suffices(terms) if not terms.connections

# What it reaches must be known.
reach_suffices(terms) if {
	reached := input.context.facts.admin.connections
	count(reached) > 0
	every name in reached {
		name in terms.connections
	}
}

# White space is no reason.
reasoned if trim_space(input.context.facts.admin.reason) != ""

# METADATA
# description: Whether the session is one of the person's own.
own if {
	about := input.context.facts.admin.subject
	about.issuer == input.subject.properties.issuer
	about.id == input.subject.id
}

described_for(name) if {
	startswith(name, "countersign.")
	named(input.subject.id)
	named(input.subject.properties.issuer)
	admin_described
	whose_described
}

admin_described if {
	admin := input.context.facts.admin
	is_object(admin)
	is_string(object.get(admin, "reason", ""))
	is_number(object.get(admin, "since_ms", 0))
	is_number(object.get(admin, "until_ms", 0))
	texts(object.get(admin, "connections", []))
}

# Of a session it must be known whose it is; of the log it may be.
whose_described if {
	named(input.context.facts.admin.subject.issuer)
	named(input.context.facts.admin.subject.id)
}

named(text) if {
	is_string(text)
	text != ""
}

whose_described if {
	input.resource.type != "countersign.session"
	not "subject" in object.keys(input.context.facts.admin)
}

# METADATA
# title: No reason is given
# description: An entry of administration.yaml may do without, by `reason_required`.
# custom:
#   rule_id: administration.reason_missing
deny contains {
	"rule": "administration.reason_missing",
	"message": "Say why: what is done to evidence needs a reason.",
} if {
	administrative
	not reasoned
	not covered
}

# METADATA
# title: One's own session
# description: Nobody does anything to sessions of their own, unless an entry of administration.yaml says `own_sessions`.
# custom:
#   rule_id: administration.own_session
deny contains {
	"rule": "administration.own_session",
	"message": "This is a session of your own; somebody else has to do it.",
} if {
	administrative
	own
	not covered
}

covered if count(granted) > 0
