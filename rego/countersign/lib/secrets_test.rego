package countersign.lib.secrets_test

import data.countersign.lib.secrets
import data.countersign.testing

words(line) := testing.tool_use([], "Bash", testing.shell(testing.command(
	split(line, " ")[0],
	array.slice(split(line, " "), 1, 100),
	[flag | some flag in split(line, " "); startswith(flag, "-")],
)))

test_commands_that_show_secrets if {
	every line in [
		"env", "env -0", "printenv", "export -p", "declare -x", "set", "printenv GITHUB_TOKEN", "echo $AWS_SECRET_ACCESS_KEY",
		"echo ${DB_PASSWORD}", "gh auth token", "aws configure export-credentials", "gcloud auth print-access-token",
		"security find-generic-password -w", "op read op://a", "vault kv get a", "kubectl get secret a -o yaml",
		"git credential fill", "pass show a", "gpg --export-secret-keys", "aws secretsmanager get-secret-value",
	] {
		secrets.touched with input as words(line)
	}
}

test_commands_that_do_not if {
	every line in [
		"printenv PATH", "echo $HOME", "echo token", "export A=1", "set -e", "gh pr list", "kubectl get pods", "git status",
		"vault status", "declare -a x", "gpg --verify a", "aws s3 ls",
	] {
		not secrets.touched with input as words(line)
	}
}

test_files_and_places_of_secrets if {
	tool := {"name": "Read", "input_bytes": 1, "input": {}, "paths": [], "hosts": []}
	file := object.union(tool, {"paths": [{"path": ".env", "op": "read"}]})
	place := object.union(tool, {"hosts": [{"host": "169.254.169.254", "by": "WebFetch", "sends": false}]})
	secrets.touched with input as testing.tool_use([], "Read", {"tool": file})
	secrets.touched with input as testing.tool_use([], "Read", {"tool": place})
	not secrets.touched with input as testing.tool_use([], "Read", {"tool": tool})
}
