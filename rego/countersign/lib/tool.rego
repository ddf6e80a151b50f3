# METADATA
# title: What can be said of a tool call
# description: |
#   Traits that rules in deny.yaml and approvals.yaml name under `is`. They rest on parsed facts; the name of each
#   trait is in `toolTraits` of scripts/policy-data/sources.ts as well.
package countersign.lib.tool

import data.countersign.lib.destruction
import data.countersign.lib.files
import data.countersign.lib.hosts
import data.countersign.lib.secrets
import data.countersign.lib.shell
import data.countersign.lib.sql

# METADATA
# description: rm that recurses and asks nothing, or a find that deletes.
traits contains "recursive_force_delete" if {
	some command in shell.commands
	shell.recursive_force_delete(command)
}

# METADATA
# description: A file system made, a device written, a file overwritten beyond recovery.
traits contains "disk_overwrite" if shell.disk_overwrite

# METADATA
# description: Something is downloaded and an interpreter is fed by a pipe.
traits contains "download_into_shell" if {
	shell.feeds_interpreter
	some command in shell.commands
	command.name in shell.downloaders
}

traits contains "pipe_into_interpreter" if shell.feeds_interpreter

# METADATA
# description: What would run cannot be told from the text.
traits contains "undetermined" if shell.undetermined

traits contains "privileged" if shell.privileged

traits contains "git_push" if {
	some command in shell.commands
	shell.git_push(command)
}

# METADATA
# description: A push that may take commits or branches from a remote.
traits contains "force_push" if destruction.force_push

# METADATA
# description: Many files deleted at once, by find, xargs or a glob.
traits contains "bulk_delete" if destruction.bulk_delete

# METADATA
# description: Commits, or changes of the working tree, are lost.
traits contains "discards_work" if destruction.discards_work

# METADATA
# description: Volumes, clusters, buckets, databases, whole environments.
traits contains "deletes_infrastructure" if destruction.deletes_infrastructure

# METADATA
# description: A program in a language that is not parsed, in an argument, a pipe or a file that the command wrote itself.
traits contains "inline_code" if count(input.context.facts.shell.code) > 0

# METADATA
# description: A table, schema, database, column, … is dropped or truncated, in a command or a SQL field.
traits contains "sql_drop" if sql.drops

# METADATA
# description: An UPDATE or DELETE of every row.
traits contains "sql_without_where" if sql.without_where

# METADATA
# description: SQL that changes something, or may.
traits contains "sql_writes" if sql.writes

# METADATA
# description: SQL that does not parse, runs text, or is not in the call.
traits contains "sql_undetermined" if sql.undetermined

# METADATA
# description: SQL reaches files or programs of the database's server, or another server.
traits contains "sql_outside" if sql.outside

# METADATA
# description: Credentials are read or changed, the environment is printed.
traits contains "touches_secrets" if secrets.touched

# METADATA
# description: Files of the system are changed, or those by which it, a shell or git starts programs.
traits contains "changes_system" if files.system

# METADATA
# description: Data is sent to another machine.
traits contains "exfiltrates" if hosts.sends

# METADATA
# description: Secrets are touched, and another machine is reached as well.
traits contains "exfiltrates_secrets" if {
	secrets.touched
	hosts.leaves
	not only_metadata
}

# Reading the metadata service touches secrets; they leave when something else is reached.
only_metadata if {
	not files.secret
	not hosts.sends
}

# METADATA
# description: Anything that destroys data, whatever the means.
traits contains "destructive" if destructive

destructive if {
	some command in shell.commands
	shell.recursive_force_delete(command)
}

destructive if shell.disk_overwrite

destructive if destruction.bulk_delete

destructive if destruction.discards_work

destructive if destruction.force_push

destructive if destruction.deletes_infrastructure

destructive if sql.drops

destructive if sql.without_where
