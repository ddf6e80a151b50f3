# METADATA
# title: The path of an HTTP request
# description: |
#   Segments come decoded. A path that two servers could read differently has no `rooted` and so no grant.
package countersign.lib.path

# With its leading empty segment, so that "" and "/" have different prefixes. Undefined when a segment is not text.
joined := concat("/", array.concat([""], input.context.facts.http.segments))

folded := lower(joined)

# METADATA
# description: Segments from the root, [""] first; undefined for a path that is ambiguous.
rooted := segments if {
	segments := split(joined, "/")
	not ambiguous
}

# METADATA
# description: For restrictions, which must not be avoided by spelling — lower case, without matrix parameters.
restricted := segments if {
	not contains(folded, ";")
	segments := split(folded, "/")
} else := [split(segment, ";")[0] | some segment in split(folded, "/")]

# An encoded slash became a separator.
ambiguous if count(split(joined, "/")) != count(input.context.facts.http.segments) + 1

ambiguous if {
	some trick in ["//", `\`, "%2e", "%2f", "%5c", "\u0000", "\n", "\r"]
	contains(folded, trick)
}

ambiguous if {
	closed := concat("", [folded, "/"])
	some trick in ["/./", "/../", "/.;", "/..;"]
	contains(closed, trick)
}
