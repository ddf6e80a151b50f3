/** Calls of builtins that read documents: schemas, queries, templates, URLs, graphs. */
const QUERY =
  '`query($x: Int = 3, $l: [String!]!) { a: b(c: $x, d: [1, 2.5], e: {k: "v"}, f: ENUM, g: null, h: true) @inc(if: true) { ...F ... on T { z } ... { y } } } fragment F on T @d { q }`'
const SCHEMA =
  '`"d" type Query implements A & B @x { "f" b(a: Int = 2 @dep): [T!]! @deprecated } interface A { x: Int } union U = X | Y enum E { P "dd" Q @deprecated(reason: "no") } input I { a: Int = 1 } scalar S directive @x(a: Int) repeatable on FIELD | OBJECT schema { query: Query } extend type Query { z: Int } extend schema @x`'
const SMALL =
  '`type Query { employee(id: String!): Employee } type Employee { id: String! salary: Int } enum E { A B }`'

export const documentCalls: Readonly<Record<string, readonly string[]>> = {
  'graphql.parse_query': [
    QUERY,
    '`{ a }`',
    '``',
    '`{`',
    '`type A { b: Int }`',
    '`# only a comment`',
    '1',
  ],
  'graphql.parse_schema': [
    SCHEMA,
    SMALL,
    '``',
    '`{ a }`',
    '`type A`',
    '`extend type A`',
    '`"d" extend type A { b: Int }`',
    '1',
  ],
  'graphql.schema_is_valid': [
    ...[
      SMALL,
      '``',
      '`type A`',
      '`type A { b: C }`',
      '`type A { b: Int b: Int }`',
      '`type A { __b: Int }`',
    ],
    ...[
      '`extend type A { b: Int }`',
      '`schema { query: Q }`',
      '`type A implements B { c: Int } interface B { c: Int d: Int }`',
    ],
    ...[
      '`union A = B`',
      '`enum A { B B }`',
      '`type A { b: Int @none }`',
      '`type A { b: Int @deprecated }`',
      '`directive @a on NOWHERE`',
      '`type A { b(c: D): Int } type D { e: Int }`',
    ],
  ],
  'graphql.is_valid': [
    ...[
      `\`{ employee(id: "a") { id salary } }\`, ${SMALL}`,
      `\`{ employee { id } }\`, ${SMALL}`,
      `\`{ employee(id: 1) { id } }\`, ${SMALL}`,
    ],
    ...[
      `\`{ employee(id: "a") { none } }\`, ${SMALL}`,
      `\`{ employee(id: "a") }\`, ${SMALL}`,
      `\`query($x: String!) { employee(id: $x) { id } }\`, ${SMALL}`,
    ],
    ...[
      `\`{ ...F } fragment F on Query { employee(id: "a") { id } }\`, ${SMALL}`,
      `\`{ ...F }\`, ${SMALL}`,
      `\`\`, ${SMALL}`,
      `\`{\`, ${SMALL}`,
    ],
  ],
  'graphql.parse': [`\`{ employee(id: "a") { id } }\`, ${SMALL}`, `\`{ none }\`, ${SMALL}`],
  'graphql.parse_and_verify': [
    `\`{ employee(id: "a") { id } }\`, ${SMALL}`,
    `\`{ none }\`, ${SMALL}`,
    '`{`, `{`',
  ],
  'json.verify_schema': [
    ...[
      '{"type": "object"}',
      '"{\\"type\\": \\"string\\"}"',
      '{"type": "none"}',
      '{}',
      '{"properties": {"a": {"type": "integer"}}}',
    ],
  ],
  'json.match_schema': [
    ...[
      '{"a": 1}, {"properties": {"a": {"type": "integer"}}, "required": ["a"]}',
      '{"a": "x"}, {"properties": {"a": {"type": "integer"}}}',
    ],
    ...[
      '{}, {"required": ["a", "b"]}',
      '{"a": 5}, {"properties": {"a": {"minimum": 6, "multipleOf": 2}}}',
      '{"a": "abc"}, {"properties": {"a": {"pattern": "^x", "maxLength": 2}}}',
    ],
    ...[
      '{"a": [1, 1]}, {"properties": {"a": {"uniqueItems": true, "minItems": 3}}}',
      '{"a": 1, "b": 2}, {"additionalProperties": false, "properties": {"a": {}}}',
    ],
    ...[
      '{"a": 1}, {"anyOf": [{"required": ["b"]}, {"properties": {"a": {"type": "string"}}}]}',
      '{"a": 1}, {"oneOf": [{"required": ["a"]}, {"required": ["a"]}]}',
      '{"a": 1}, {"not": {"required": ["a"]}}',
    ],
    ...[
      '{"a": {"b": 1}}, {"properties": {"a": {"$ref": "#/definitions/s"}}, "definitions": {"s": {"properties": {"b": {"enum": [2, "x"]}}}}}',
      '"{\\"a\\": 1}", "{\\"required\\": [\\"b\\"]}"',
      '{"a": 1}, {"type": "none"}',
      '1, {}',
    ],
  ],
  'strings.render_template': [
    ...[
      '`{{.a}}`, {"a": "b"}',
      '`{{range $i, $e := .a}}{{if $i}},{{end}}{{$e}}{{end}}`, {"a": [1, "x"]}',
      '`{{.a.b.c}}`, {"a": {}}',
      '`{{printf "%s-%v" .a .b | html}}`, {"a": "<", "b": 2.50}',
    ],
    ...[
      '`{{if eq .a "x"}}1{{else if .b}}2{{else}}3{{end}}`, {"a": "y", "b": 0}',
      '`{{- .a -}}  z`, {"a": 1}',
      '`{{.a`, {}',
      '`{{none .a}}`, {}',
      '1, {}',
      '`{{with .a}}{{.b}}{{end}}{{len .a}}`, {"a": {"b": 1}}',
    ],
  ],
  'uuid.parse': [
    ...[
      '"000003e8-48b9-21ee-b200-325096b39f47"',
      '"f47ac10b-58cc-0372-8567-0e02b2c3d479"',
      '"6ba7b810-9dad-11d1-80b4-00c04fd430c8"',
      '"{6bea8ef2-d3d3-3cd1-84e0-9bab06a52ece}"',
    ],
    ...[
      '"urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f"',
      '"00000000-0000-0000-0000-000000000000"',
      '"6ba7b810-9dad-21d1-c005-03c04fd430c8"',
      '"xx"',
      '1',
    ],
  ],
  'uri.parse': [
    ...[
      '"https://user:pa@example.com:8080/a%20b/../c?x=1&y=2#frag"',
      '"mailto:a@b.c"',
      '"/rel/x?q"',
      '"http://[::1]:80/"',
      '"http://a b/"',
      '""',
      '"HTTP://EX.com"',
      '"http://ex.com:abc/"',
    ],
    ...['"http://a/%zz"', '"?a=b"', '"//h/p"', '"http://a/x%2Fy"', '"foo:bar"', '1'],
  ],
  'uri.is_valid': [
    '"http://a/"',
    '"http://a b/"',
    '""',
    '"::"',
    '"not a uri"',
    '"a:b:c"',
    '"http://[::1"',
    '"%"',
  ],
  'graph.reachable_paths': [
    '{"a": ["b", "c"], "b": ["d"], "c": [], "d": ["a"]}, ["a"]',
    '{"a": {"b"}}, {"a", "z"}',
    '{"a": ["a"]}, ["a"]',
    '{}, {"a"}',
    '1, ["a"]',
    '{"a": []}, "a"',
  ],
  'regex.globs_match': [
    '"a.a.[0-9]+z", ".b.b2359825792*594823z"',
    '"[a-z]+", "[0-9]*"',
    '"a\\\\.b", "a.b"',
    '"[abc]", "c"',
    '"pqrs]", "[a-b]+"',
    '1, "a"',
  ],
  'yaml.is_valid': ['"a: 1"', '"[1,"', '"- a\\n- b"', '1', '""', '"a: b: c"', '"{a: 1, b}"'],
}
