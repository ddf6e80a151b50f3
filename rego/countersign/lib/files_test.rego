package countersign.lib.files_test

import data.countersign.lib.files

secret(path) if {
	files.secret with input as {"context": {"facts": {"tool": {"paths": [{"path": path, "op": "read"}]}}}}
}

test_files_of_credentials if {
	every path in [
		"~/.ssh/id_rsa", "~/.ssh", "/home/a/.SSH/config", "/root/.aws/credentials", "~/.aws", "$X/.gnupg/secring.gpg",
		"/etc/shadow", "shadow", "id_ed25519", "~/.netrc", "~/.npmrc", "~/.pgpass", "~/.kube/config", "~/.docker/config.json",
		"deploy.pem", "certs/server.key", "a/b.p12", "kubeconfig-prod", ".env", "app/.env.production", "/proc/1/environ",
		"/proc/self/environ", "~/Library/Keychains/login.keychain-db", "secrets.yaml", "/var/run/secrets/token",
		"C:/Users/a/.ssh/id_rsa", "~/.git-credentials",
	] {
		secret(path)
	}
}

changed(path, op) if {
	files.system with input as {"context": {"facts": {"tool": {"paths": [{"path": path, "op": op}]}}}}
}

test_files_of_the_system if {
	every path in [
		"/etc/passwd", "/usr/local/bin/x", "~/.bashrc", "/home/a/.zshrc", "~/.profile", ".git/hooks/pre-commit", "a/.git/config",
		"~/.gitconfig", "~/Library/LaunchAgents/x.plist", "C:/Windows/System32/x", "/etc",
	] {
		changed(path, "write")
		changed(path, "delete")
		not changed(path, "read")
		not changed(path, "unknown")
	}
	every path in ["/repo/etc/passwd", "src/bashrc.ts", ".github/workflows/x.yml", "/tmp/x", ".gitignore", "/etcetera"] {
		not changed(path, "write")
	}
}

test_files_that_look_like_them if {
	every path in [
		"~/.ssh/id_rsa.pub", "~/.ssh/known_hosts", ".env.example", "app/.env.sample", "src/environment.ts", "README.md",
		"docs/ssh/setup.md", "src/secrets/index.ts", "keys.ts", "monkey", "/proc/cpuinfo", "shadow.css", "src/env.ts",
	] {
		not secret(path)
	}
}
