# METADATA
# title: Files of tool calls
# description: Rules over `facts.tool.paths`, which come normalised (see pdp/contract/facts.ts).
package countersign.lib.files

# METADATA
# description: A file that holds credentials, or a folder of such. File systems may fold case.
secret if {
	some file in input.context.facts.tool.paths
	secret_path(lower(file.path))
}

secret_path(path) if {
	not public(path)
	some folder in [
		"/.ssh/", "/.aws/", "/.gnupg/", "/.kube/", "/.azure/", "/.config/gcloud/", "/.config/gh/", "/.password-store/",
		"/.docker/config.json/", "/etc/shadow/", "/etc/gshadow/", "/etc/sudoers/", "/etc/kubernetes/", "/run/secrets/",
		"/library/keychains/", "/.local/share/keyrings/", "/.mozilla/firefox/", "/.terraform.d/credentials",
		"/.config/op/", "/.vault-token/", "/.git-credentials/", "/.netrc/", "/_netrc/", "/.npmrc/", "/.pypirc/",
		"/.pgpass/", "/.my.cnf/", "/.envrc/", "/.htpasswd/", "/.cargo/credentials", "/credentials.json/",
		"/.claude/.credentials.json/", "/shadow/",
	]
	contains(bounded(path), folder)
}

secret_path(path) if {
	not public(path)
	regex.match(`(^|/)(id_(rsa|dsa|ecdsa|ed25519)(_sk)?|[^/]*\.(pem|p12|pfx|jks|keystore|kdbx|ppk)|[^/]*[._-]key|kubeconfig[^/]*|service[_-]account[^/]*\.json|secrets?\.(ya?ml|json|toml))$`, path)
}

secret_path(path) if {
	not public(path)
	regex.match(`(^|/)\.env(\.[a-z0-9_.-]+)?$`, path)
}

# The environment of a process.
secret_path(path) if regex.match(`^/proc/[^/]+/environ$`, path)

# METADATA
# description: A file of the system is changed, or one by which it, a shell or git starts programs.
system if {
	some file in input.context.facts.tool.paths
	file.op in {"write", "delete"}
	system_path(lower(file.path))
}

system_path(path) if {
	some folder in [
		"/etc/", "/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/boot/", "/sys/", "/proc/", "/system/", "/library/",
		"/var/spool/cron/", "c:/windows/",
	]
	startswith(concat("", [path, "/"]), folder)
}

system_path(path) if {
	regex.match(`(^|/)\.((ba|z|c|k|fi)?sh(rc|env|_profile|_login|_logout|_aliases)|profile|zprofile|zlogin|xinitrc|inputrc)$`, path)
}

system_path(path) if {
	some folder in [
		"/.git/hooks/", "/.git/config/", "/.gitconfig/", "/.config/git/config/", "/launchagents/", "/launchdaemons/",
		"/.config/autostart/", "/.config/systemd/", "/.config/fish/",
	]
	contains(bounded(path), folder)
}

# Folders are found at either end as well: `~/.ssh` is `/~/.ssh/`.
bounded(path) := concat("", ["/", path, "/"])

public(path) if {
	some ending in [
		".pub", "/known_hosts", ".example", ".sample", ".template", ".dist",
	]
	endswith(path, ending)
}
