# METADATA
# title: Uniting masks
# description: |
#   For each detector, field and column the strictest style that any mask asks for, so that no mask can weaken
#   another; observed only when every mask on it observes.
package countersign.lib.merge

# Strictest first: redact keeps nothing; hash cannot be undone; token may be; partial shows a part.
ranks := [
	["redact", {}], ["hash", {}], ["token", {}], ["token", {"restore": true}], ["partial", {}],
	["redact", observing], ["hash", observing], ["token", observing], ["partial", observing],
]

observing := {"observe": true}

masks(list) := [merged |
	some where in ["request", "response"]
	some rank, [style, more] in ranks
	parts := {part: sort(names) |
		some part in ["detectors", "fields", "columns"]
		names := at_rank(list, where, part, rank)
		count(names) > 0
	}
	count(parts) > 0
	base := {"kind": "mask", "where": where, "style": style}
	merged := object.union(object.union(base, parts), more)
]

at_rank(list, where, part, rank) := {name |
	some candidate in list
	candidate.where == where
	some name in candidate[part]
	rank == min([rank_of(other) | some other in list; other.where == where; name in other[part]])
}

# A style that is not known counts as the strictest.
default rank_of(_) := 0

rank_of(mask) := rank if {
	some rank, [style, more] in ranks
	style == mask.style
	every key in ["observe", "restore"] {
		object.get(more, key, false) == object.get(mask, key, false)
	}
}
