# METADATA
# title: Commands that destroy
# description: Rules over `facts.shell.commands` beside those of lib/shell.rego.
package countersign.lib.destruction

import data.countersign.lib.shell

# METADATA
# description: Many files at once, whatever there is.
bulk_delete if {
	some command in shell.commands
	command.name in {"rm", "unlink", "rmdir", "shred", "truncate", "srm"}
	some wrapper in command.wrappers
	wrapper in {"find", "fd", "fdfind", "xargs", "parallel"}
}

bulk_delete if {
	some command in shell.commands
	command.name in {"rm", "srm"}
	some word in command.args
	regex.match(`^(["']?)(/|~|\$HOME|\$\{HOME\}|\.|\.\.)?(/?\*|/|/\.|/\.\.|/\{.*\}|/\[.*\])?["']?$`, word)
	word != ""
}

# As the facts have it, whatever it was written like.
bulk_delete if {
	some file in input.context.facts.tool.paths
	file.op == "delete"
	file.path in {"/", "/*", "~", "~/*", ".", "..", "*", "../*"}
}

bulk_delete if {
	some command in shell.commands
	command.name in {"truncate"}
	some word in command.args
	regex.match(`^(-s|--size=?|-s=)?0$|^-cs0$`, word)
}

bulk_delete if {
	some command in shell.commands
	deleter(command)
}

deleter(command) if command.name in {"rimraf", "del-cli", "trash-empty", "wipe", "srm"}

deleter(command) if {
	command.name in {"npx", "bunx", "pnpx", "pnpm", "yarn", "npm"}
	some word in command.args
	regex.match(`^(rimraf|del-cli)(@.*)?$`, word)
}

deleter(command) if {
	command.name == "rsync"
	some flag in command.flags
	regex.match(`^--(del|delete.*|remove-source-files)$`, flag)
}

deleter(command) if {
	command.name == "tar"
	"--remove-files" in command.flags
}

# METADATA
# description: Commits or changes that are in no other place are lost.
discards_work if {
	some command in shell.commands
	command.name == "git"
	discards(command)
}

discards(command) if {
	"reset" in command.args
	abbreviated(command, "--hard", 4)
}

discards(command) if {
	"clean" in command.args
	shell.has_flag(command, {"f"}, "force")
}

discards(command) if {
	some word in command.args
	word in {"filter-branch", "filter-repo"}
}

discards(command) if {
	some pair in [["stash", "drop"], ["stash", "clear"], ["reflog", "expire"], ["reflog", "delete"], ["update-ref", "-d"]]
	pair[0] in command.args
	pair[1] in command.args
}

discards(command) if {
	"branch" in command.args
	"-D" in command.flags
}

discards(command) if {
	some word in command.args
	word in {"checkout", "restore", "switch"}
	some target in command.args
	target in {".", "./", ":/", "*", "-f", "--force", "--discard-changes"}
}

# METADATA
# description: A push that may take commits or branches from a remote.
force_push if {
	some command in shell.commands
	shell.git_push(command)
	forces(command)
}

forces(command) if shell.has_flag(command, {"f", "d"}, "force")

forces(command) if {
	some flag in command.flags
	startswith(flag, "--force-")
}

forces(command) if {
	some option in ["--mirror", "--delete", "--prune"]
	abbreviated(command, option, 4)
}

# `+main`, `:main`
forces(command) if {
	some word in command.args
	regex.match(`^(\+|:[^:])`, word)
}

# METADATA
# description: Volumes, clusters, buckets, databases, whole environments.
deletes_infrastructure if {
	some command in shell.commands
	some pattern in infrastructure[command.name]
	regex.match(pattern, spoken(command))
}

deletes_infrastructure if {
	some command in shell.commands
	command.name in {"dropdb", "dropuser"}
}

# In lower case, with a space at either end: options may stand anywhere in between.
spoken(command) := lower(concat(" ", array.concat([""], array.concat(command.args, [""]))))

containers := [
	` volume (rm|remove|prune) `, ` (system|image|container|builder|network) prune `,
	` (compose|stack) .*(down .*(-v|--volumes)|rm) `, ` down .*(-v|--volumes)`,
]

clusters := [` delete `, ` drain `, ` replace .*--force`]

plans := [` destroy `, ` apply .*-destroy`, ` state rm `, ` workspace delete `]

clouds := [
	` (delete|destroy|purge|remove|terminate)([a-z-]*) `, ` s3 rb `, ` s3 (rm|mv) .*--recursive`,
	` s3 sync .*--delete`, ` storage rm .*(-r|--recursive|\*\*)`, ` rm .*(-r|--recursive|\*\*)`,
]

infrastructure := {
	"docker": containers, "podman": containers, "nerdctl": containers, "docker-compose": [` down .*(-v|--volumes)`],
	"kubectl": clusters, "oc": clusters, "k3s": clusters,
	"helm": [` (uninstall|delete|un|del) `],
	"terraform": plans, "tofu": plans, "terragrunt": array.concat(plans, [` run-all destroy `]), "pulumi": plans,
	"cdk": [` destroy `], "sam": [` delete `], "serverless": [` remove `], "sls": [` remove `],
	"aws": clouds, "gcloud": clouds, "az": clouds, "gsutil": [` rm `, ` rb `, ` rsync .*-d`], "doctl": clouds,
	"rclone": [` (delete|purge|deletefile|sync) `], "s3cmd": [` (del|rm|rb) `], "mc": [` (rm|rb) `],
	"heroku": [` (apps:)?destroy `, ` pg:reset `], "fly": [` destroy `], "flyctl": [` destroy `],
	"gh": [` (repo|release|secret|variable|codespace) delete `, ` -x delete `, ` --method[ =]delete `],
	"redis-cli": [` flush(all|db) `], "mysqladmin": [` drop `], "etcdctl": [` del `],
	"npx": [` migrate reset `, ` db push .*--force-reset`], "prisma": [` migrate reset `],
	"rails": [` db:(drop|reset|purge)`], "rake": [` db:(drop|reset|purge)`], "artisan": [` (migrate:fresh|db:wipe)`],
	"lvremove": [``], "vgremove": [``], "zfs": [` destroy `], "zpool": [` destroy `], "btrfs": [` delete `],
	"launchctl": [` remove `], "userdel": [``], "crontab": [` -[a-z]*r`],
}

# An abbreviation of a long option that is at least this long.
abbreviated(command, option, least) if {
	some flag in command.flags
	count(flag) >= least
	startswith(option, flag)
}
