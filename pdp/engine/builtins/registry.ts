import { aws } from './aws.ts'
import type { Builtins } from './builtin.ts'
import { collections } from './collections.ts'
import { crypto } from './crypto.ts'
import { encoding } from './encoding.ts'
import { globsMatch } from './globs-match.ts'
import { graph } from './graph.ts'
import { graphql } from './graphql.ts'
import { json } from './json.ts'
import { jsonschema } from './jsonschema.ts'
import { jwtSign } from './jwt-sign.ts'
import { jwtVerify } from './jwt-verify.ts'
import { jwt } from './jwt.ts'
import { net } from './net.ts'
import { regex } from './regex.ts'
import { semver } from './semver.ts'
import { sprintf } from './sprintf.ts'
import { strings } from './strings.ts'
import { template } from './template.ts'
import { time } from './time.ts'
import { units } from './units.ts'
import { uri } from './uri.ts'
import { uuid } from './uuid.ts'
import { x509 } from './x509.ts'
import { yaml } from './yaml.ts'

/**
 * Every builtin that the engine has, each in agreement with OPA (`builtins.test.ts`). One that is not here refuses the
 * policy that calls it when it is loaded, which is better than an answer of its own. A new family is a file and a line.
 */
export const builtins: Builtins = {
  ...aws,
  ...collections,
  ...crypto,
  ...encoding,
  ...globsMatch,
  ...graph,
  ...graphql,
  ...json,
  ...jsonschema,
  ...jwt,
  ...jwtSign,
  ...jwtVerify,
  ...net,
  ...regex,
  ...semver,
  ...sprintf,
  ...strings,
  ...template,
  ...time,
  ...units,
  ...uri,
  ...uuid,
  ...x509,
  ...yaml,
}
