package countersign.lib.tool_test

import data.countersign.lib.tool
import data.countersign.testing

traits(shell) := found if {
	found := tool.traits with input as testing.tool_use([], "Bash", testing.shell(shell))
}

traits_of_input(fields) := found if {
	found := tool.traits with input as testing.tool_use([], "query", {"tool": {
		"name": "query",
		"input_bytes": 1,
		"input": fields,
	}})
}

test_no_traits_without_cause if {
	traits({}) == set()
	traits(testing.command("ls", ["-la"], ["-l", "-a"])) == set()
	traits_of_input({"query": "select 1"}) == set()
}

test_recursive_and_forced_in_any_spelling if {
	every flags in [
		["-r", "-f"], ["-f", "-R"], ["--recursive", "--force"], ["-r", "--force"], ["--rec", "-f"], ["--r", "--f"],
		["-v", "-r", "-i", "-f"],
	] {
		traits(testing.command("rm", ["x"], flags)) == {"recursive_force_delete"}
	}
	every flags in [[], ["-r"], ["-f"], ["-i", "-v"], ["--verbose", "-f"], ["--", "-f"], ["-rec", "-f"]] {
		traits(testing.command("rm", ["x"], flags)) == set()
	}
	traits(testing.command("rmdir", ["x"], ["-r", "-f"])) == set()
}

test_find_that_deletes if {
	traits(testing.command("find", [".", "-delete"], [])) == {"recursive_force_delete"}
	traits(testing.command("find", ["."], ["-delete"])) == {"recursive_force_delete"}
	traits(testing.command("find", [".", "-name", "x"], [])) == set()
	traits(testing.command("grep", ["-delete"], [])) == set()
}

test_disks_overwritten if {
	every name in ["mkfs", "mkfs.ext4", "shred", "wipefs", "blkdiscard"] {
		traits(testing.command(name, ["/dev/sda"], [])) == {"disk_overwrite"}
	}
	traits(testing.command("dd", ["if=x", "of=/dev/sda"], [])) == {"disk_overwrite"}
	traits(testing.command("dd", ["if=/dev/zero", "of=/dev/null"], [])) == set()
	traits(testing.command("dd", ["if=/dev/zero", "of=file"], [])) == set()
	traits(testing.command("echo", ["of=/dev/sda"], [])) == set()
	traits({"redirects": [{"op": ">>", "target": "/dev/nvme0n1"}]}) == {"disk_overwrite"}
	every target in ["/dev/null", "/dev/stderr", "/dev/tty", "/dev/fd/3", "out.txt"] {
		traits({"redirects": [{"op": ">", "target": target}]}) == set()
	}
	traits({"redirects": [{"op": "<", "target": "/dev/sda"}]}) == set()
}

test_interpreters_that_are_fed if {
	traits({"pipes_into": ["python"]}) == {"pipe_into_interpreter"}
	traits(object.union(
		testing.command("wget", ["-O-"], []),
		{"pipes_into": ["bash"]},
	)) == {"pipe_into_interpreter", "download_into_shell"}
}

test_a_download_or_a_pipe_alone_is_not_both if {
	traits(testing.command("curl", ["-O"], [])) == set()
	traits(object.union(testing.command("cat", ["a"], []), {"pipes_into": ["sh"]})) == {"pipe_into_interpreter"}
}

test_what_cannot_be_told if {
	traits({"undetermined": ["eval"]}) == {"undetermined"}
	traits(testing.command("?", [], [])) == {"undetermined"}
}

test_privileges if {
	traits({"commands": [{"name": "ls", "args": [], "flags": [], "wrappers": ["env", "sudo"]}]}) == {"privileged"}
	traits(testing.command("su", ["root"], [])) == {"privileged"}
}

test_pushes if {
	traits(testing.command("git", ["push"], [])) == {"git_push"}
	traits(testing.command("git", ["-c", "a=b", "push", "origin"], ["-c"])) == {"git_push"}
	traits(testing.command("docker", ["push"], [])) == set()
	traits(testing.command("git", ["stash", "push"], [])) == set()
	traits(testing.command("git-push", [], [])) == {"git_push"}
	traits(testing.command("git", ["commit", "-m", "push it"], [])) == set()
}

test_tables_dropped if {
	every field in ["sql", "query", "statement"] {
		traits_of_input({field: "select 1; Drop\t TABLE t"}) == {"sql_drop"}
	}
	traits_of_input({"sql": "TRUNCATE t"}) == {"sql_drop"}
	traits_of_input({"command": "psql <<E\ndrop table t\nE"}) == {"sql_drop"}
	traits_of_input({"command": "truncate -s 0 a.log"}) == set()
	traits_of_input({"text": "drop table"}) == set()
	traits_of_input({"sql": "select droplet from tables"}) == set()
	traits(testing.command("psql", ["-c", "drop\nschema s"], [])) == {"sql_drop"}
}

test_a_fact_that_is_not_text_is_no_trait if {
	traits_of_input({"sql": 7}) == set()
}
