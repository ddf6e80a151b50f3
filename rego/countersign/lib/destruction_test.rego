package countersign.lib.destruction_test

import data.countersign.lib.destruction
import data.countersign.testing

# An argument that begins with a dash is a flag as well, as the facts have it.
words(line) := testing.tool_use([], "Bash", testing.shell(testing.command(
	split(line, " ")[0],
	array.slice(split(line, " "), 1, 100),
	[flag | some flag in split(line, " "); startswith(flag, "-")],
)))

under(wrapper, name) := testing.tool_use([], "Bash", testing.shell({"commands": [{
	"name": name,
	"args": ["{}"],
	"flags": [],
	"wrappers": [wrapper],
}]}))

test_many_files_at_once if {
	every wrapper in ["find", "xargs", "fd", "parallel"] {
		every name in ["rm", "unlink", "shred", "truncate"] {
			destruction.bulk_delete with input as under(wrapper, name)
		}
	}
	every line in [
		"rm -r /", "rm *", "rm ./*", "rm ~/*", "rm -r $HOME", "rm -r ..", "truncate -s 0 a", "truncate --size=0 a",
		"rimraf dist", "npx rimraf dist", "rsync -a --delete a b", "tar --remove-files a",
	] {
		destruction.bulk_delete with input as words(line)
	}
}

test_everything_by_its_path if {
	every path in ["/", "~", ".", "..", "*", "/*"] {
		destruction.bulk_delete with input as {"context": {"facts": {"tool": {"paths": [{"path": path, "op": "delete"}]}}}}
	}
	not destruction.bulk_delete with input as {"context": {"facts": {"tool": {"paths": [{"path": "a", "op": "delete"}]}}}}
}

test_some_files if {
	not destruction.bulk_delete with input as under("sudo", "rm")
	not destruction.bulk_delete with input as under("find", "grep")
	every line in [
		"rm a.txt", "rm -f *.log", "rm -r build", "truncate -s 10 a", "npx vitest run", "rsync -a a b", "tar -czf a b",
		"ls *",
	] {
		not destruction.bulk_delete with input as words(line)
	}
}

test_work_that_is_thrown_away if {
	every line in [
		"git reset --hard", "git -C a reset --hard HEAD~1", "git reset --har", "git clean -f", "git clean --force",
		"git filter-branch x", "git stash drop", "git stash clear", "git reflog expire", "git checkout .",
		"git checkout -- .", "git restore .", "git checkout -f main",
	] {
		destruction.discards_work with input as words(line)
	}
	destruction.discards_work with input as testing.tool_use(
		[], "Bash",
		testing.shell(testing.command("git", ["branch", "-D", "x"], ["-D"])),
	)
	every line in [
		"git reset a.txt", "git reset --soft HEAD~1", "git clean -n", "git stash", "git branch -d x", "git checkout main",
		"hg reset --hard",
	] {
		not destruction.discards_work with input as words(line)
	}
}

test_forced_pushes if {
	every line in ["git push --force", "git push --del x", "git push origin +main", "git push origin :old", "git push -d a b"] {
		destruction.force_push with input as words(line)
	}
	not destruction.force_push with input as words("git push origin main")
	not destruction.force_push with input as words("git fetch --force")
}

test_infrastructure if {
	every line in [
		"docker volume rm a", "docker system prune", "docker compose down -v", "podman volume prune", "kubectl delete pod a",
		"kubectl -n x delete ns y", "helm uninstall a", "terraform destroy", "terraform apply -destroy", "tofu destroy",
		"aws s3 rm s3://a --recursive", "aws s3 rb s3://a", "aws ec2 terminate-instances --ids a", "gcloud projects delete a",
		"az group delete -n a", "gh repo delete a", "redis-cli FLUSHALL", "dropdb a", "npx prisma migrate reset", "zfs destroy a",
	] {
		destruction.deletes_infrastructure with input as words(line)
	}
	every line in [
		"docker ps", "docker compose down", "docker run --rm a", "kubectl get pods", "terraform plan", "aws s3 ls", "aws s3 cp a s3://b",
		"gh repo view a", "helm list", "npx prisma migrate dev", "delete x",
	] {
		not destruction.deletes_infrastructure with input as words(line)
	}
}
