import { isArray, isObject, isSet, type Value } from '../value.ts'
import { failed, object, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { renderTemplate } from './go/template.ts'

export const template: Builtins = {
  'strings.render_template': (args, { spend }) => {
    const variables = object(args, 1)
    if (hasSet(variables)) throw failed('a set has no place in a template')
    return renderTemplate(text(args, 0), variables, spend)
  },
}

function hasSet(value: Value): boolean {
  if (isSet(value)) return true
  if (isArray(value)) return value.some(hasSet)
  return isObject(value) && [...value.values()].some(hasSet)
}
