import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Files of a new policy: a rule that denies nothing yet, a unit test and a decision case, all of which pass. */
export async function newPolicy(name: string, root = '.'): Promise<readonly string[]> {
  if (!/^[a-z][a-z0-9_]{1,40}$/.test(name) || name.endsWith('_test'))
    throw new Error(
      `${name}: a name has 2 to 41 lower case letters, digits and _, and begins with a letter`,
    )
  const files: readonly (readonly [string, string])[] = [
    [`rego/countersign/${name}.rego`, rule(name)],
    [`rego/countersign/${name}_test.rego`, unitTest(name)],
    [`test/decisions/${name}.yaml`, decisionCase(name)],
  ]
  const there = files.find(([path]) => existsSync(join(root, path)))
  if (there) throw new Error(`${there[0]} is there already; choose another name`)
  for (const [path, content] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content, { flag: 'wx' })
  }
  return files.map(([path]) => path)
}

const title = (name: string): string =>
  name.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase())

const rule = (name: string): string => `package countersign.decision

# METADATA
# title: ${title(name)}
# description: Deletions through the connection "example_${name}" are refused. Say here what yours is for.
# custom:
#   rule_id: ${name}
deny contains {"rule": "${name}", "message": "${title(name)} refuses this."} if {
	input.resource.properties.connection == "example_${name}"
	input.context.facts.http.method == "DELETE"
}
`

const unitTest = (name: string): string => `package countersign.decision_test

import data.countersign.decision

${name}_request(method) := {
	"resource": {"properties": {"connection": "example_${name}"}},
	"context": {"facts": {"http": {"method": method}}},
}

test_${name}_denies_deletions if {
	denied := decision.deny with input as ${name}_request("DELETE")
	some entry in denied
	entry.rule == "${name}"
}

test_${name}_is_silent_on_reads if {
	denied := decision.deny with input as ${name}_request("GET")
	every entry in denied {
		entry.rule != "${name}"
	}
}
`

const decisionCase = (
  name: string,
): string => `# What ${title(name)} decides, as whole requests: what is said here is merged into the base.
base: http
cases:
  - description: ${name} refuses a deletion
    input:
      resource: { properties: { connection: example_${name} } }
      context: { facts: { http: { method: DELETE } } }
    want:
      effect: deny
      rules: [${name}]

  - description: ${name} says nothing of a read elsewhere
    input: {}
    want:
      effect: allow
      rules: [grant.agents_read_customers]
`
