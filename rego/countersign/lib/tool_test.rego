package countersign.lib.tool_test

import data.countersign.lib.tool
import data.countersign.testing

traits(shell) := found if {
	found := tool.traits with input as testing.tool_use([], "Bash", testing.shell(shell))
}

traits_of_sql(statement, undetermined) := found if {
	found := tool.traits with input as testing.tool_use([], "query", {"sql": {
		"statements": [object.union(
			{"kind": "select", "tables": [], "writes": false, "has_where": false, "functions": []},
			statement,
		)],
		"undetermined": undetermined,
	}})
}

traits_of_tool(patch) := found if {
	found := tool.traits with input as testing.tool_use([], "Read", {"tool": object.union(
		{"name": "Read", "input_bytes": 1, "input": {}, "paths": [], "hosts": []},
		patch,
	)})
}

test_no_traits_without_cause if {
	traits({}) == set()
	traits(testing.command("ls", ["-la"], ["-l", "-a"])) == set()
	traits_of_sql({}, []) == set()
	traits_of_tool({}) == set()
}

test_recursive_and_forced_in_any_spelling if {
	every flags in [
		["-r", "-f"], ["-f", "-R"], ["--recursive", "--force"], ["-r", "--force"], ["--rec", "-f"], ["--r", "--f"],
		["-v", "-r", "-i", "-f"],
	] {
		traits(testing.command("rm", ["x"], flags)) == {"recursive_force_delete", "destructive"}
	}
	every flags in [[], ["-r"], ["-f"], ["-i", "-v"], ["--verbose", "-f"], ["--", "-f"], ["-rec", "-f"]] {
		traits(testing.command("rm", ["x"], flags)) == set()
	}
	traits(testing.command("rmdir", ["x"], ["-r", "-f"])) == set()
}

test_find_that_deletes if {
	traits(testing.command("find", [".", "-delete"], [])) == {"recursive_force_delete", "destructive"}
	traits(testing.command("find", ["."], ["-delete"])) == {"recursive_force_delete", "destructive"}
	traits(testing.command("find", [".", "-name", "x"], [])) == set()
	traits(testing.command("grep", ["-delete"], [])) == set()
}

test_disks_overwritten if {
	every name in ["mkfs", "mkfs.ext4", "shred", "wipefs", "blkdiscard"] {
		traits(testing.command(name, ["/dev/sda"], [])) == {"disk_overwrite", "destructive"}
	}
	traits(testing.command("dd", ["if=x", "of=/dev/sda"], [])) == {"disk_overwrite", "destructive"}
	traits(testing.command("dd", ["if=/dev/zero", "of=/dev/null"], [])) == set()
	traits(testing.command("dd", ["if=/dev/zero", "of=file"], [])) == set()
	traits(testing.command("echo", ["of=/dev/sda"], [])) == set()
	traits({"redirects": [{"op": ">>", "target": "/dev/nvme0n1"}]}) == {"disk_overwrite", "destructive"}
	every target in ["/dev/null", "/dev/stderr", "/dev/tty", "/dev/fd/3", "out.txt"] {
		traits({"redirects": [{"op": ">", "target": target}]}) == set()
	}
	traits({"redirects": [{"op": "<", "target": "/dev/sda"}]}) == set()
}

test_devices_and_permissions_by_their_paths if {
	traits_of_tool({"paths": [{"path": "/dev/sda", "op": "write"}]}) == {"disk_overwrite", "destructive"}
	traits_of_tool({"paths": [{"path": "/dev/null", "op": "write"}]}) == set()
	traits_of_tool({"paths": [{"path": "/dev/sda", "op": "read"}]}) == set()
	request := testing.tool_use([], "Bash", object.union(
		{"tool": {"name": "Bash", "input_bytes": 1, "input": {}, "hosts": [], "paths": [{"path": "/", "op": "write"}]}},
		testing.shell(testing.command("chmod", ["-R", "777", "/"], ["-R"])),
	))
	tool.traits == {"disk_overwrite", "destructive"} with input as request
	traits_of_tool({"paths": [{"path": "/etc/hosts", "op": "write"}]}) == {"changes_system"}
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

test_pushes_that_take_something_away if {
	every flags in [["-f"], ["--force"], ["--forc"], ["--force-with-lease"], ["--mirror"], ["--mir"], ["-d"], ["--delete"]] {
		traits(testing.command("git", ["push", "origin", "main"], flags)) == {"git_push", "force_push", "destructive"}
	}
	every ref in ["+main", ":main", "+refs/heads/*:refs/heads/*"] {
		traits(testing.command("git", ["push", "origin", ref], [])) == {"git_push", "force_push", "destructive"}
	}
	every flags in [["-u"], ["--follow-tags"], ["--tags"]] {
		traits(testing.command("git", ["push", "origin", "main:main"], flags)) == {"git_push"}
	}
}

test_other_ways_to_destroy if {
	traits(testing.command("rm", ["*"], [])) == {"bulk_delete", "destructive"}
	traits(testing.command("git", ["stash", "clear"], [])) == {"discards_work", "destructive"}
	traits(testing.command("terraform", ["destroy"], [])) == {"deletes_infrastructure", "destructive"}
}

test_programs_that_are_not_parsed if {
	traits({"code": ["python3"]}) == {"inline_code"}
}

test_what_sql_does if {
	every kind in ["drop", "truncate"] {
		traits_of_sql({"kind": kind, "writes": true}, []) == {"sql_drop", "sql_writes", "destructive"}
	}
	every kind in ["update", "delete"] {
		traits_of_sql({"kind": kind, "writes": true}, []) == {"sql_without_where", "sql_writes", "destructive"}
		traits_of_sql({"kind": kind, "writes": true, "has_where": true}, []) == {"sql_writes"}
	}
	traits_of_sql({}, ["syntax"]) == {"sql_undetermined", "sql_writes"}
	traits_of_sql({"functions": ["pg_read_file"]}, []) == {"sql_outside"}
}

test_secrets_and_where_they_go if {
	key := [{"path": "~/.ssh/id_rsa", "op": "read"}]
	page := [{"host": "a.example.com", "by": "curl", "sends": false}]
	form := [{"host": "a.example.com", "by": "curl", "sends": true}]
	traits_of_tool({"paths": key}) == {"touches_secrets"}
	traits_of_tool({"hosts": page}) == set()
	traits_of_tool({"hosts": form}) == {"exfiltrates"}
	traits_of_tool({"paths": key, "hosts": page}) == {"touches_secrets", "exfiltrates_secrets"}
	traits_of_tool({"paths": key, "hosts": form}) == {"touches_secrets", "exfiltrates", "exfiltrates_secrets"}
	traits_of_tool({"hosts": [{"host": "169.254.169.254", "by": "curl", "sends": false}]}) == {"touches_secrets"}
}
