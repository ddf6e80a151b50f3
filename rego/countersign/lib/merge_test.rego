package countersign.lib.merge_test

import data.countersign.lib.merge

mask(style, observe) := {"kind": "mask", "where": "response", "detectors": ["email"], "style": style, "observe": observe}

united(list) := [[one.style, object.get(one, "observe", false)] | some one in merge.masks(list)]

test_styles_from_strictest_to_mildest if {
	united([mask("partial", false), mask("redact", false)]) == [["redact", false]]
	united([mask("token", false), mask("hash", false)]) == [["hash", false]]
	united([mask("partial", false), mask("token", false)]) == [["token", false]]
}

test_observed_only_when_every_mask_observes if {
	united([mask("partial", false), mask("redact", true)]) == [["partial", false]]
	united([mask("partial", true), mask("redact", true)]) == [["redact", true]]
}

test_restored_only_when_every_token_may_be if {
	restored := object.union(mask("token", false), {"restore": true})
	[object.get(one, "restore", false) | some one in merge.masks([restored])] == [true]
	[object.get(one, "restore", false) | some one in merge.masks([restored, mask("token", false)])] == [false]
	united([restored, mask("partial", false)]) == [["token", false]]
	united([restored, mask("redact", false)]) == [["redact", false]]
	united([object.union(mask("partial", false), {"restore": true})]) == [["redact", false]]
}

test_the_order_of_masks_does_not_matter if {
	united([mask("redact", true), mask("partial", false)]) == united([mask("partial", false), mask("redact", true)])
}

test_a_style_that_is_not_known_counts_as_the_strictest if {
	united([mask("blur", false)]) == [["redact", false]]
	united([mask("partial", "yes")]) == [["redact", false]]
}

test_directions_do_not_meet if {
	outgoing := object.union(mask("redact", false), {"where": "request"})
	merge.masks([mask("partial", false), outgoing]) == [
		{"kind": "mask", "where": "request", "style": "redact", "detectors": ["email"]},
		{"kind": "mask", "where": "response", "style": "partial", "detectors": ["email"]},
	]
}

test_no_masks_are_no_masks if merge.masks([]) == []
