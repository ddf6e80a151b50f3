import { BuiltinError } from '../errors.ts'
import { printYaml } from './go/yaml-print.ts'
import { text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { parseYaml } from './yaml-parse.ts'

/** YAML as OPA reads it: 1.1, through JSON. */
export const yaml: Builtins = {
  'yaml.marshal': ([value = null], { spend }) => printYaml(value, spend),
  'yaml.unmarshal': (args, { spend }) => parseYaml(text(args, 0), spend),
  'yaml.is_valid': ([given], { spend }) => {
    if (typeof given !== 'string') return false
    try {
      parseYaml(given, spend)
      return true
    } catch (error) {
      if (error instanceof BuiltinError) return false
      throw error
    }
  },
}
