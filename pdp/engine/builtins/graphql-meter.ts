import { type DocumentNode, Kind, visit } from 'graphql'
import type { Spend } from '../steps.ts'

const STEPS_A_LOOK = 30
/** Of one rule for two definitions that it follows or compares. */
const STEPS_A_PAIR = 100
const STEPS_AN_INPUT = 4

/**
 * Makes validation of a query take steps. It compares each field with all others of its name, through fragments, and
 * looks at their selections whenever it does: selections that count how often they are looked at.
 */
export function meterQuery(query: DocumentNode, schema: DocumentNode, spend: Spend): void {
  const fragments = query.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).length
  // Operations follow their fragments, and fragments are compared with each other.
  spend((1 + query.definitions.length) * (1 + fragments) * STEPS_A_PAIR)
  const inputs = mostInputs(schema)
  visit(query, {
    // Each looks for all inputs that it must have.
    ObjectValue: () => spend(inputs * STEPS_AN_INPUT),
    Directive: () => spend(inputs * STEPS_AN_INPUT),
    Field: {
      leave(field) {
        spend(inputs * STEPS_AN_INPUT)
        const { selectionSet } = field
        Object.defineProperty(field, 'selectionSet', {
          enumerable: true,
          get: () => {
            spend(STEPS_A_LOOK)
            return selectionSet
          },
        })
      },
    },
  })
}

/** Most arguments of a field or a directive, or fields of an input. */
function mostInputs(schema: DocumentNode): number {
  let most = 0
  const count = (list: readonly unknown[] = []): void => void (most = Math.max(most, list.length))
  visit(schema, {
    FieldDefinition: ({ arguments: list }) => count(list),
    DirectiveDefinition: ({ arguments: list }) => count(list),
    InputObjectTypeDefinition: ({ fields }) => count(fields),
    InputObjectTypeExtension: ({ fields }) => count(fields),
  })
  return most
}
