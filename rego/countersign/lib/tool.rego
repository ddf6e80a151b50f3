# METADATA
# title: What can be said of a tool call
# description: |
#   Traits that rules in deny.yaml and approvals.yaml name under `is`. They rest on parsed facts; the name of each
#   trait is in `toolTraits` of scripts/policy-data/sources.ts as well.
package countersign.lib.tool

import data.countersign.lib.shell

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
# description: A table, schema or database is dropped or truncated, in a command or a SQL field.
traits contains "sql_drop" if {
	some text in texts
	some phrase in ["drop table", "drop schema", "drop database", "truncate table"]
	contains(one_line(text), phrase)
}

# In a command `truncate` is a program.
traits contains "sql_drop" if {
	some text in sql_texts
	contains(one_line(text), "truncate ")
}

texts := sql_texts | command_texts

sql_texts contains text if {
	some field in ["sql", "query", "statement"]
	text := input.context.facts.tool.input[field]
}

# As it is written, for here-documents, and its words, for what quotes take apart.
command_texts contains input.context.facts.tool.input.command

command_texts contains text if {
	some command in shell.commands
	some text in command.args
}

# Lower case, runs of white space as one space.
one_line(text) := concat(" ", [word |
	some word in split(replace(replace(replace(lower(text), "\n", " "), "\r", " "), "\t", " "), " ")
	word != ""
])
