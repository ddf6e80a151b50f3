/** Calls with arguments that are made to take long. */
export type Hostile = {
  readonly builtin: string
  readonly args: readonly unknown[]
}

/** Calls whose work is in proportion to their arguments, which `size` is. */
export type Linear = {
  readonly builtin: string
  readonly args: (size: number) => readonly unknown[]
  readonly size: number
  /** Whether it has an answer; some have only an error, but must find it soon. */
  readonly answers: boolean
}

const list = <T>(length: number, make: (at: number) => T): T[] =>
  Array.from({ length }, (_, at) => make(at))
const object = (size: number, make: (at: number) => unknown): Record<string, unknown> =>
  Object.fromEntries(list(size, (at) => [`k${at}`, make(at)]))
const nested = (depth: number): unknown => (depth === 0 ? {} : { a: nested(depth - 1) })
const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const token = (alg: string, signature: number): string =>
  `${part({ alg })}.${part({})}.${part('1'.repeat(signature))}`

/** Each level is checked twice at the level below. */
const doubling = {
  definitions: {
    n: {
      anyOf: ['x', 'y'].map((name) => ({
        properties: { a: { $ref: '#/definitions/n' } },
        required: [name],
      })),
    },
  },
  $ref: '#/definitions/n',
}
const p521 = {
  kty: 'EC',
  crv: 'P-521',
  x: 'AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt',
  y: 'AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1',
}
/** A public exponent as long as the modulus, which makes verifying as slow as signing. */
const slowRsa = {
  kty: 'RSA',
  n: Buffer.alloc(384, 0xa7).toString('base64url'),
  e: Buffer.alloc(383, 0xa7).toString('base64url'),
}
const signRequest = { aws_access_key: 'a', aws_secret_access_key: 'b', aws_region: 'c' }

/** Those end with ENGINE_STEPS. */
export const endless: Readonly<Record<string, Hostile>> = {
  'copies of copies': {
    builtin: 'json.patch',
    args: [{ a: [1, 2, 3, 4] }, list(40, () => ({ op: 'copy', from: '/a', path: '/a/0' }))],
  },
  'aliases of aliases': {
    builtin: 'yaml.unmarshal',
    args: [
      [
        'a: &a [x, x, x, x, x, x, x, x, x]',
        ...list(12, (at) => {
          const before = String.fromCharCode(97 + at)
          const name = String.fromCharCode(98 + at)
          return `${name}: &${name} [${list(9, () => `*${before}`).join(', ')}]`
        }),
      ].join('\n'),
    ],
  },
  'aliases of a long text': {
    builtin: 'yaml.unmarshal',
    args: [`a: &a ${'x'.repeat(600_000)}\nb: [${list(99, () => '*a').join(', ')}]`],
  },
  'a map that is merged into each of thousands': {
    builtin: 'yaml.unmarshal',
    args: [
      `a: &a {${list(2000, (at) => `k${at}: 1`).join(', ')}}\nb:\n${'  - <<: *a\n'.repeat(3000)}`,
    ],
  },
  'a schema that doubles at each level': {
    builtin: 'json.match_schema',
    args: [nested(40), doubling],
  },
  'thousands of values, each one of thousands': {
    builtin: 'json.match_schema',
    args: [
      { a: list(10_000, (at) => `x${at}`) },
      { properties: { a: { items: { enum: list(10_000, (at) => `y${at}`) } } } },
    ],
  },
  'errors with a long path each': {
    builtin: 'json.match_schema',
    args: [
      { ['k'.repeat(100_000)]: list(5000, () => 1) },
      { additionalProperties: { items: { type: 'string' } } },
    ],
  },
  'texts that are patterns of thousands of instructions': {
    builtin: 'json.match_schema',
    args: [
      { a: list(50, (at) => 'a{1000}'.repeat(100) + at) },
      { properties: { a: { items: { format: 'regex' } } } },
    ],
  },
  'a pattern that reads to the end for each match': {
    builtin: 'regex.replace',
    args: ['a'.repeat(20_000), 'a(.*z)?', 'b'],
  },
  'the same, split': { builtin: 'regex.split', args: ['a(.*z)?', 'a'.repeat(20_000)] },
  'the same, found': { builtin: 'regex.find_n', args: ['a(.*z)?', 'a'.repeat(20_000), -1] },
  'a pattern of a million instructions': {
    builtin: 'regex.find_n',
    args: ['((a{10}){10}){10}'.repeat(1000), 'a', -1],
  },
  'a pattern of a million instructions in a template': {
    builtin: 'regex.template_match',
    args: ['{a{1000}}'.repeat(300), 'a', '{', '}'],
  },
  'a long text in place of each match': {
    builtin: 'regex.replace',
    args: ['a'.repeat(20_000), 'a', '$0'.repeat(20_000)],
  },
  'a run that nearly matches everywhere': {
    builtin: 'object.subset',
    args: [list(20_000, () => 1), [...list(9999, () => 1), 2]],
  },
  'every pair of blocks': {
    builtin: 'net.cidr_contains_matches',
    args: [list(3000, () => '10.0.0.0/8'), list(3000, () => '10.1.2.3/32')],
  },
  'loops in loops': {
    builtin: 'strings.render_template',
    args: ['{{range 30000}}{{range 30000}}{{end}}{{end}}', {}],
  },
  'templates that call the next twice': {
    builtin: 'strings.render_template',
    args: [
      `${list(40, (at) => `{{define "t${at}"}}${`{{template "t${at + 1}"}}`.repeat(2)}{{end}}`).join('')}{{define "t40"}}{{end}}{{template "t0"}}`,
      {},
    ],
  },
  'a variable that doubles': {
    builtin: 'strings.render_template',
    args: [`{{$x := "aaaaaaaaaaaaaaaa"}}${'{{$x = print $x $x}}'.repeat(60)}`, {}],
  },
  'wide numbers in a template': {
    builtin: 'strings.render_template',
    args: ['{{printf "%100000000d" 1}}'.repeat(10), {}],
  },
  'paths between sixty nodes that all know each other': {
    builtin: 'graph.reachable_paths',
    args: [object(60, () => list(60, (at) => `k${at}`)), ['k0']],
  },
  'inputs that each lack thousands of fields': {
    builtin: 'graphql.is_valid',
    args: [
      `{ a(x: [${'{}'.repeat(9000)}]) }`,
      `input I { ${list(6000, (at) => `f${at}:Int`).join(' ')} } type Query { a(x: [I]): Int }`,
    ],
  },
  'fields that are compared with each other': {
    builtin: 'graphql.is_valid',
    args: [`{${'a '.repeat(15_000)}}`, 'type Query { a: Int }'],
  },
  'fragments that each operation follows': {
    builtin: 'graphql.is_valid',
    args: [
      `${list(1000, (at) => `fragment f${at} on Query {...f${at + 1}}`).join(' ')} fragment f1000 on Query {a} ${list(1500, (at) => `query q${at} {...f0}`).join(' ')}`,
      'type Query { a: Int }',
    ],
  },
  'thousands of keys of a slow curve': {
    builtin: 'io.jwt.verify_es512',
    args: [token('ES512', 132), JSON.stringify({ keys: list(5000, () => p521) })],
  },
  'thousands of keys with a long exponent': {
    builtin: 'io.jwt.verify_rs256',
    args: [token('RS256', 384), JSON.stringify({ keys: list(2000, () => slowRsa) })],
  },
  'widths of a million': {
    builtin: 'sprintf',
    args: ['%1000000d'.repeat(500), list(500, () => 1)],
  },
  'an argument that is named again and again': {
    builtin: 'sprintf',
    args: ['%[1]s'.repeat(20_000), ['a'.repeat(100_000)]],
  },
  'indentation that is longer than the document': {
    builtin: 'json.marshal_with_options',
    args: [nested(400), { indent: ' '.repeat(100_000) }],
  },
  'a number of hundreds of thousands of digits': {
    builtin: 'units.parse',
    args: ['1'.repeat(300_000)],
  },
}

/** Those have the answer that they have for less, in steps that grow with their arguments. */
export const linear: Readonly<Record<string, Linear>> = {
  'braces that are not closed, after a long text': {
    builtin: 'json.match_schema',
    args: (size) => [
      { a: `${'a'.repeat(size)}{}{` },
      { properties: { a: { format: 'uri-template' } } },
    ],
    size: 20_000,
    answers: true,
  },
  'a duration without a unit': {
    builtin: 'time.parse_duration_ns',
    args: (size) => ['1'.repeat(size)],
    size: 100_000,
    answers: false,
  },
  'an amount with a sign at its end': {
    builtin: 'units.parse_bytes',
    args: (size) => [`${'1'.repeat(size)}+`],
    size: 3000,
    answers: false,
  },
  'a change of each of many keys': {
    builtin: 'json.patch',
    args: (size) => [
      object(size, () => 1),
      list(size, (at) => ({ op: 'replace', path: `/k${at}`, value: 0 })),
    ],
    size: 2000,
    answers: true,
  },
  'an anchor and an alias of it, many times': {
    builtin: 'yaml.unmarshal',
    args: (size) => [list(size, (at) => `k${at}: &a${at} 1\nl${at}: *a${at}`).join('\n')],
    size: 2000,
    answers: true,
  },
  'many keys in YAML': {
    builtin: 'yaml.unmarshal',
    args: (size) => [list(size, (at) => `k${at}: 1`).join('\n')],
    size: 4000,
    answers: true,
  },
  'quotes that are not closed in YAML': {
    builtin: 'yaml.is_valid',
    args: (size) => ['"'.repeat(size)],
    size: 20_000,
    answers: true,
  },
  'parts of sixty': {
    builtin: 'yaml.unmarshal',
    args: (size) => [`a: 1${':59'.repeat(size)}`],
    size: 20_000,
    answers: true,
  },
  'a subset of many keys': {
    builtin: 'object.subset',
    args: (size) => {
      const whole = object(size, (at) => at)
      return [whole, Object.fromEntries(Object.entries(whole).toReversed())]
    },
    size: 3000,
    answers: true,
  },
  'many blocks, each with one address': {
    builtin: 'net.cidr_contains_matches',
    args: (size) => [
      list(size, (at) => `10.${at >> 8}.${at & 255}.0/24`),
      list(size, (at) => `10.${at >> 8}.${at & 255}.1/32`),
    ],
    size: 500,
    answers: true,
  },
  'many blocks that do not touch': {
    builtin: 'net.cidr_merge',
    args: (size) => [list(size, (at) => `10.${at >> 8}.${at & 255}.0/31`)],
    size: 2000,
    answers: true,
  },
  'a long text that is found at every place': {
    builtin: 'indexof_n',
    args: (size) => ['a'.repeat(2 * size), 'a'.repeat(size)],
    size: 10_000,
    answers: true,
  },
  'quotes that are not closed in a template': {
    builtin: 'strings.render_template',
    args: (size) => [`{{"${'\\"'.repeat(size)}`, {}],
    size: 50_000,
    answers: false,
  },
  'texts that begin with none of many': {
    builtin: 'strings.any_prefix_match',
    args: (size) => [
      list(size, (at) => `${'a'.repeat(20)}${at}`),
      list(size, (at) => `${'a'.repeat(20)}b${at}`),
    ],
    size: 3000,
    answers: true,
  },
  'texts that end with none of many': {
    builtin: 'strings.any_suffix_match',
    args: (size) => [
      list(size, (at) => `${at}${'a'.repeat(20)}`),
      list(size, (at) => `${at}b${'a'.repeat(20)}`),
    ],
    size: 3000,
    answers: true,
  },
  'comments alone': {
    builtin: 'graphql.parse_query',
    args: (size) => [`${'# '.repeat(size)}\n{`],
    size: 10_000,
    answers: false,
  },
  'an interface of many fields': {
    builtin: 'graphql.schema_is_valid',
    args: (size) => [
      `interface I { ${list(size, (at) => `f${at}:Int`).join(' ')} } type Query implements I { ${list(size, (at) => `f${size - 1 - at}:Int`).join(' ')} }`,
    ],
    size: 700,
    answers: true,
  },
  'names that nobody has': {
    builtin: 'graphql.is_valid',
    args: (size) => [`{ ${'a'.repeat(size)} }`, `type Query { ${'b'.repeat(size)}: Int }`],
    size: 20_000,
    answers: true,
  },
  'versions of many digits': {
    builtin: 'semver.compare',
    args: (size) => [`1.1.1-${'9'.repeat(size)}`, `1.1.1-${'8'.repeat(size)}`],
    size: 100_000,
    answers: true,
  },
  'indexes that are not closed': {
    builtin: 'sprintf',
    args: (size) => ['%['.repeat(size), []],
    size: 50_000,
    answers: true,
  },
  'one name in a query, many times': {
    builtin: 'urlquery.decode_object',
    args: (size) => ['a=1&'.repeat(size)],
    size: 10_000,
    answers: true,
  },
  'layouts of abbreviations': {
    builtin: 'time.format',
    args: (size) => [[0, 'Asia/Tokyo', 'MST'.repeat(size)]],
    size: 3000,
    answers: true,
  },
  'layouts of months': {
    builtin: 'time.parse_ns',
    args: (size) => ['Jan'.repeat(size), 'Jan'.repeat(size)],
    size: 3000,
    answers: false,
  },
  'many headers': {
    builtin: 'providers.aws.sign_req',
    args: (size) => [
      { method: 'get', url: 'http://a/', headers: object(size, () => 'x') },
      { ...signRequest, aws_service: 's3' },
      1,
    ],
    size: 2000,
    answers: true,
  },
}
