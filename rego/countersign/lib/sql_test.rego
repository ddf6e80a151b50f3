package countersign.lib.sql_test

import data.countersign.lib.sql

with_sql(statement) := {"context": {"facts": {"sql": {
	"statements": [object.union(
		{"kind": "select", "tables": [], "writes": false, "has_where": false, "functions": []},
		statement,
	)],
	"undetermined": [],
}}}}

test_a_query_is_nothing_special if {
	request := with_sql({"functions": ["count", "s.pg_reader"]})
	not sql.drops with input as request
	not sql.without_where with input as request
	not sql.writes with input as request
	not sql.outside with input as request
	not sql.undetermined with input as request
}

test_files_and_programs_of_the_server if {
	every copies in ["file", "program"] {
		sql.outside with input as with_sql({"kind": "copy", "copies": copies})
	}
	not sql.outside with input as with_sql({"kind": "copy", "copies": "client"})
	every called in ["pg_read_file", "pg_catalog.pg_ls_dir", "ext.dblink_exec", "lo_import", "lo_export", "load_file"] {
		sql.outside with input as with_sql({"functions": [called]})
	}
}

test_what_is_not_known_may_write if {
	sql.writes with input as {"context": {"facts": {"sql": {"statements": [], "undetermined": ["code"]}}}}
	sql.writes with input as with_sql({"writes": true})
}

test_a_call_without_sql_has_none if {
	not sql.drops with input as {"context": {"facts": {}}}
	not sql.undetermined with input as {"context": {"facts": {}}}
}
