# METADATA
# title: Hosts that tool calls reach
# description: Rules over `facts.tool.hosts`; `?` is a host that cannot be told (see pdp/contract/facts.ts).
package countersign.lib.hosts

reached := input.context.facts.tool.hosts

# METADATA
# description: Data goes to another machine.
sends if {
	some place in reached
	place.sends
	not this_machine(place.host)
	not named_remote(place)
}

# METADATA
# description: Another machine is reached, whether it is sent anything or not.
leaves if {
	some place in reached
	not this_machine(place.host)
}

# METADATA
# description: Where clouds hand out credentials to their machines.
metadata_service if {
	some place in reached
	place.host in {
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "100.100.100.200",
		"::ffff:a9fe:a9fe", "metadata.google.internal", "metadata", "instance-data",
	}
}

this_machine(host) if host in {"localhost", "::1", "0.0.0.0"}

this_machine(host) if startswith(host, "127.")

this_machine(host) if endswith(host, ".localhost")

# A remote by its name is what the repository says it is; pushes have a rule of their own.
named_remote(place) if {
	place.by == "git"
	place.host == "?"
}
