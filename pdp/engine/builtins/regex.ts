import { RE2JS } from 're2js'
import { failed, smallInteger, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

/** RE2's syntax in linear time; the iteration over matches is Go's. */
export const regex: Builtins = {
  'regex.split': (args) => split(compile(text(args, 0)), text(args, 1)),
  'regex.find_n': (args) => {
    const [pattern, subject, most] = [text(args, 0), text(args, 1), smallInteger(args, 2)]
    const matches = findAll(compile(pattern), subject, most < 0 ? Infinity : most)
    return matches.map(([start, end]) => subject.slice(start, end))
  },
  'regex.replace': (args) => replace(text(args, 0), compile(text(args, 1)), text(args, 2)),
  'regex.template_match': (args) => {
    const [open, close] = [delimiter(text(args, 2)), delimiter(text(args, 3))]
    return compile(templatePattern(text(args, 0), open, close))
      .matcher(text(args, 1))
      .find()
  },
  'glob.quote_meta': (args) => text(args, 0).replace(/[*?\\[\]{}]/g, '\\$&'),
}

const MOST_CACHED = 256
const cache = new Map<string, RE2JS>()

function compile(pattern: string): RE2JS {
  const cached = cache.get(pattern)
  if (cached) return cached
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(pattern)
  } catch (error) {
    throw failed(`error parsing regexp: ${(error as Error).message}`)
  }
  if (cache.size >= MOST_CACHED) cache.clear()
  cache.set(pattern, compiled)
  return compiled
}

type Span = readonly [start: number, end: number]

/** Go's `FindAllStringIndex`: no empty match right behind a match. */
function findAll(pattern: RE2JS, subject: string, most: number): Span[] {
  const found: Span[] = []
  const matcher = pattern.matcher(subject)
  let previousEnd = -1
  for (let at = 0; at <= subject.length && found.length < most;) {
    if (!matcher.find(at)) break
    const [start, end] = [matcher.start(), matcher.end()]
    const accepted = end !== at || start !== previousEnd
    previousEnd = end
    at = end === at ? at + width(subject, at) : end
    if (accepted) found.push([start, end])
  }
  return found
}

const width = (subject: string, at: number): number =>
  (subject.codePointAt(at) ?? 0) > 0xffff ? 2 : 1

/** Go's `Regexp.Split` without a limit. */
function split(pattern: RE2JS, subject: string): string[] {
  if (pattern.pattern() !== '' && subject === '') return ['']
  const parts: string[] = []
  let [begin, end] = [0, 0]
  for (const [start, stop] of findAll(pattern, subject, Infinity)) {
    end = start
    if (stop !== 0) parts.push(subject.slice(begin, end))
    begin = stop
  }
  if (end !== subject.length) parts.push(subject.slice(begin))
  return parts
}

/** Go's `ReplaceAllString`. */
function replace(subject: string, pattern: RE2JS, template: string): string {
  let out = ''
  let [at, kept, previousEnd] = [0, 0, -1]
  const matcher = pattern.matcher(subject)
  while (at <= subject.length && matcher.find(at)) {
    const [start, end] = [matcher.start(), matcher.end()]
    const accepted = end !== at || start !== previousEnd
    previousEnd = end
    at = end === at ? at + width(subject, at) : end
    if (!accepted) continue
    out += subject.slice(kept, start) + expand(template, (name) => groupText(matcher, name))
    kept = end
  }
  return out + subject.slice(kept)
}

type Matcher = ReturnType<RE2JS['matcher']>

function groupText(matcher: Matcher, name: string): string {
  if (/^\d+$/.test(name))
    return Number(name) <= matcher.groupCount() ? (matcher.group(Number(name)) ?? '') : ''
  return Object.hasOwn(matcher.namedGroups, name) ? (matcher.group(name) ?? '') : ''
}

/** Go's `Regexp.Expand`: `$name`, `${name}`, `$$`; any other `$` is itself. */
function expand(template: string, group: (name: string) => string): string {
  return template.replace(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (all, bare: string | undefined, braced: string | undefined) => {
      const name = bare ?? braced
      return name === undefined ? all.slice(1) : group(name)
    },
  )
}

function delimiter(mark: string): string {
  if (Buffer.byteLength(mark) === 1) return mark
  throw failed('a delimiter has to be exactly one character long')
}

/** Text with patterns between delimiters, which may nest. */
function templatePattern(template: string, open: string, close: string): string {
  let pattern = '^'
  let [level, start, end] = [0, 0, 0]
  for (let at = 0; at < template.length; at += 1) {
    if (template[at] === open) {
      level += 1
      if (level === 1) start = at
    } else if (template[at] === close) {
      level -= 1
      if (level < 0) break
      if (level > 0) continue
      const inner = template.slice(start + 1, at)
      compile(`^${inner}$`)
      pattern += `${RE2JS.quote(template.slice(end, start))}(${inner})`
      end = at + 1
    }
  }
  if (level !== 0) throw failed('unbalanced braces')
  return `${pattern}${RE2JS.quote(template.slice(end))}$`
}
