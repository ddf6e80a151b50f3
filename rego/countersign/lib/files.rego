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

# Folders are found at either end as well: `~/.ssh` is `/~/.ssh/`.
bounded(path) := concat("", ["/", path, "/"])

public(path) if {
	some ending in [
		".pub", "/known_hosts", ".example", ".sample", ".template", ".dist",
	]
	endswith(path, ending)
}
