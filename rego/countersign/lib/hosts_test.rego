package countersign.lib.hosts_test

import data.countersign.lib.hosts

place(host, by, sends) := {"context": {"facts": {"tool": {"hosts": [{"host": host, "by": by, "sends": sends}]}}}}

test_data_goes_to_another_machine if {
	every host in ["a.example.com", "10.0.0.1", "?", "localhost.example.com"] {
		hosts.sends with input as place(host, "curl", true)
		not hosts.sends with input as place(host, "curl", false)
		hosts.leaves with input as place(host, "curl", false)
	}
}

test_this_machine_is_not_another if {
	every host in ["localhost", "127.0.0.1", "127.1.2.3", "::1", "app.localhost"] {
		not hosts.sends with input as place(host, "curl", true)
		not hosts.leaves with input as place(host, "curl", true)
	}
}

test_a_push_to_a_named_remote_has_a_rule_of_its_own if {
	not hosts.sends with input as place("?", "git", true)
	hosts.sends with input as place("git.example.com", "git", true)
}

test_where_clouds_hand_out_credentials if {
	every host in ["169.254.169.254", "metadata.google.internal", "fd00:ec2::254"] {
		hosts.metadata_service with input as place(host, "WebFetch", false)
	}
	not hosts.metadata_service with input as place("169.254.1.1", "curl", false)
}
