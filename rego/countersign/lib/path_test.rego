package countersign.lib.path_test

import data.countersign.lib.path

with_segments(segments) := {"context": {"facts": {"http": {"segments": segments}}}}

test_segments_begin_at_the_root if {
	path.rooted == ["", "a", "b"] with input as with_segments(["a", "b"])
	path.rooted == ["", ""] with input as with_segments([""])
	path.rooted == [""] with input as with_segments([])
}

test_an_ambiguous_path_has_no_segments_for_grants if {
	not path.rooted with input as with_segments(["a", "..", "b"])
	not path.rooted with input as with_segments(["a/b"])
	not path.rooted with input as with_segments(["a", 1])
	not path.rooted with input as {}
}

test_restrictions_see_no_case_and_no_matrix_parameters if {
	path.restricted == ["", "a", "b"] with input as with_segments(["A", "B"])
	path.restricted == ["", "a", "b"] with input as with_segments(["A;x=1;y", "b;"])
}
