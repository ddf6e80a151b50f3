# METADATA
# title: SQL in tool calls
# description: Rules over `facts.sql`, statements as PostgreSQL's grammar reads them (see pdp/contract/facts.ts).
package countersign.lib.sql

statements := input.context.facts.sql.statements

drops if {
	some statement in statements
	statement.kind in {"drop", "truncate"}
}

# METADATA
# description: Every row is changed or deleted.
without_where if {
	some statement in statements
	statement.kind in {"update", "delete"}
	not statement.has_where
}

writes if {
	some statement in statements
	statement.writes
}

# What DO and the like run is not known, so it may write.
writes if undetermined

undetermined if count(input.context.facts.sql.undetermined) > 0

# METADATA
# description: Files or programs of the server, or other servers.
outside if {
	some statement in statements
	statement.copies in {"file", "program"}
}

outside if {
	some statement in statements
	some called in statement.functions
	name := regex.replace(called, `^.*\.`, "")
	outside_function(name)
}

outside_function(name) if {
	name in {
		"lo_import", "lo_export", "pg_stat_file", "pg_current_logfile", "pg_execute_server_program",
		"load_file", "load_extension", "readfile", "writefile", "edit", "xp_cmdshell",
	}
}

outside_function(name) if {
	some start in ["dblink", "pg_read_", "pg_ls_", "pg_file_", "pg_write_", "lo_from_"]
	startswith(name, start)
}
