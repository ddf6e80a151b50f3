import { findOpa, type RunOpa } from '../opa.ts'

/** OPA for tests, as everything else finds it. */
export const opa: RunOpa = async (args) => {
  const found = await findOpa({ purpose: 'build' })
  if (!found.ok) throw new Error(found.error.message)
  return found.value.run(args)
}
