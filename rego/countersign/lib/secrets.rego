# METADATA
# title: Secrets that tool calls read
# description: Credential files, the environment, stores of secrets and the places where clouds hand them out.
package countersign.lib.secrets

import data.countersign.lib.files
import data.countersign.lib.hosts
import data.countersign.lib.shell

touched if files.secret

touched if hosts.metadata_service

touched if {
	some command in shell.commands
	shows(command)
}

# The environment, whole.
shows(command) if {
	command.name in {"env", "printenv"}
	every word in command.args {
		startswith(word, "-")
	}
}

shows(command) if {
	command.name in {"export", "declare", "typeset", "set", "compgen"}
	every word in command.args {
		regex.match(`^-[a-z]*[pxe][a-z]*$`, word)
	}
	shown(command)
}

# A variable whose name says what it holds.
shows(command) if {
	command.name in {"echo", "printf", "printenv"}
	some word in command.args
	regex.match(sensitive[command.name], lower(word))
}

shows(command) if {
	some words in stores[command.name]
	every word in words {
		word in command.args
	}
}

shows(command) if command.name in {"pass", "gopass", "keyctl", "secret-tool", "secretsdump", "mimikatz", "unshadow"}

shows(command) if {
	command.name in {"gpg", "gpg2"}
	some flag in command.flags
	startswith(flag, "--export-secret")
}

# `set` and `export` alone print; `set -e` does not.
shown(command) if command.name != "set"

shown(command) if {
	command.name == "set"
	command.args == []
}

name := `[a-z0-9_]*(secret|token|passw|api_?key|private_?key|access_?key|credential)[a-z0-9_]*`

sensitive := {
	"printenv": name,
	"echo": concat("", [`\$\{?!?`, name]),
	"printf": concat("", [`\$\{?!?`, name]),
}

stores := {
	"gh": [["auth", "token"], ["auth", "status", "--show-token"], ["auth", "status", "-t"]],
	"aws": [
		["configure", "export-credentials"], ["configure", "get"], ["secretsmanager", "get-secret-value"],
		["ssm", "get-parameter"], ["ssm", "get-parameters"], ["ssm", "get-parameters-by-path"],
		["sts", "get-session-token"], ["sts", "assume-role"], ["ecr", "get-login-password"],
	],
	"gcloud": [["print-access-token"], ["print-identity-token"], ["secrets", "access"]],
	"az": [["account", "get-access-token"], ["keyvault", "secret", "show"]],
	"security": [
		["find-generic-password"], ["find-internet-password"], ["dump-keychain"], ["export"],
	],
	"op": [["read"], ["item", "get"], ["inject"]],
	"vault": [["read"], ["kv", "get"], ["token", "create"]],
	"kubectl": [["get", "secret"], ["get", "secrets"], ["describe", "secret"], ["create", "token"], ["config", "view", "--raw"]],
	"git": [["credential", "fill"], ["credential-store", "get"]],
	"npm": [["config", "get", "_authToken"], ["token", "list"]],
	"heroku": [["config"], ["auth:token"]],
	"bw": [["get", "password"], ["export"]],
	"doppler": [["secrets"]],
	"flyctl": [["auth", "token"]],
}
