import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { context, decisionRequest, session } from '../pdp/contract/request.ts'
import { connection } from './policy-data/prepared.ts'

/**
 * JSON Schemas that OPA's type checker holds the policies to (`opa check --strict -s rego/schemas`): a name that
 * neither the contract nor the prepared data has is an error where the policy is built.
 */

/** What the engine sees: a decision request, and the approval and taints that only the PDP sets. */
export const policyInput = decisionRequest.extend({
  context: context.extend({
    session: session.extend({ taints: z.array(z.string()).optional() }),
    approval: z
      .strictObject({ id: z.string(), approvers: z.array(z.string()), approved_ms: z.int() })
      .optional(),
  }),
})

const schemas = { input: policyInput, connection }

/** @returns schemas by the name of their file in `rego/schemas`. */
function policySchemas(): Map<string, unknown> {
  return new Map(
    Object.entries(schemas).map(([name, schema]) => [
      `${name}.json`,
      z.toJSONSchema(schema, {
        io: 'input',
        target: 'draft-7',
        reused: 'ref',
        unrepresentable: 'any',
      }),
    ]),
  )
}

/** @returns names of files that are missing or differ from what the code says; layout does not matter. */
export async function staleSchemas(folder: string): Promise<string[]> {
  const stale: string[] = []
  for (const [name, schema] of policySchemas()) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => 'null')
    const same = isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(schema)))
    if (!same) stale.push(name)
  }
  return stale
}

/** `node scripts/schemas.ts` writes them; the formatter has its say afterwards. */
if (import.meta.main) {
  for (const [name, schema] of policySchemas())
    await writeFile(join('rego/schemas', name), `${JSON.stringify(schema, null, 2)}\n`)
}
