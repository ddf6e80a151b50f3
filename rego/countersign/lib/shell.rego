# METADATA
# title: Parsed shell scripts
# description: Rules over `facts.shell`; names come without paths, quotes and wrappers (see pdp/contract/facts.ts).
package countersign.lib.shell

commands := input.context.facts.shell.commands

downloaders := {"curl", "wget", "fetch", "aria2c", "http", "https", "ftp", "scp", "nc", "ncat"}

recursive_force_delete(command) if {
	command.name == "rm"
	has_flag(command, {"r", "R"}, "recursive")
	has_flag(command, {"f"}, "force")
}

recursive_force_delete(command) if {
	command.name == "find"
	some word in array.concat(command.args, command.flags)
	word == "-delete"
}

# A short flag, or a long one in any abbreviation that getopt accepts.
has_flag(command, short, _) if {
	some flag in command.flags
	trim_left(flag, "-") in short
}

has_flag(command, _, long) if {
	some flag in command.flags
	startswith(flag, "--")
	name := split(trim_left(flag, "-"), "=")[0]
	name != ""
	startswith(long, name)
}

disk_overwrite if {
	some command in commands
	startswith(command.name, "mkfs")
}

disk_overwrite if {
	some command in commands
	command.name in {"shred", "wipefs", "blkdiscard"}
}

disk_overwrite if {
	some command in commands
	command.name == "dd"
	some word in command.args
	startswith(word, "of=/dev/")
	not harmless_device(trim_prefix(word, "of="))
}

disk_overwrite if {
	some file in input.context.facts.tool.paths
	file.op == "write"
	startswith(file.path, "/dev/")
	not harmless_device(file.path)
}

disk_overwrite if {
	some redirect in input.context.facts.shell.redirects
	contains(redirect.op, ">")
	startswith(redirect.target, "/dev/")
	not harmless_device(redirect.target)
}

# The permissions of a whole system.
disk_overwrite if {
	some command in commands
	command.name in {"chmod", "chown", "chgrp"}
	has_flag(command, {"R"}, "recursive")
	some file in input.context.facts.tool.paths
	file.op == "write"
	file.path in {"/", "/*", "/etc", "/usr", "/bin", "/lib", "/var", "/home", "~", "~/*"}
}

harmless_device(target) if target in {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"}

harmless_device(target) if startswith(target, "/dev/fd/")

feeds_interpreter if count(input.context.facts.shell.pipes_into) > 0

undetermined if count(input.context.facts.shell.undetermined) > 0

undetermined if {
	some command in commands
	command.name == "?"
}

privileged if {
	some command in commands
	some name in array.concat(command.wrappers, [command.name])
	name in {"sudo", "doas", "su", "pkexec", "runuser"}
}

git_push(command) if {
	command.name in {"git", "hub"}
	some word in command.args
	word in {"push", "send-pack", "http-push", "dcommit"}
	command.args[0] != "stash"
}

# Helpers that push without saying so to git.
git_push(command) if command.name in {"git-push", "git-send-pack"}
