import { RE2JS } from 're2js'
import type { Spend } from '../steps.ts'
import { failed, smallInteger, text } from './arguments.ts'
import type { Builtins, Host } from './builtin.ts'
import { compilePattern, isFoundIn, type Search, searchIn } from './pattern.ts'

/** RE2's syntax; the iteration over matches is Go's. */
export const regex: Builtins = {
  'regex.split': (args, host) => {
    const [pattern, subject] = [compilePattern(text(args, 0), host), text(args, 1)]
    return split(pattern, subject, host)
  },
  'regex.find_n': (args, host) => {
    const [pattern, subject, most] = [text(args, 0), text(args, 1), smallInteger(args, 2)]
    const search = searchIn(subject, compilePattern(pattern, host), host)
    const matches = findAll(search, subject, most < 0 ? Infinity : most)
    return matches.map(([start, end]) => subject.slice(start, end))
  },
  'regex.replace': (args, host) => {
    const [subject, template] = [text(args, 0), text(args, 2)]
    const search = searchIn(subject, compilePattern(text(args, 1), host), host)
    return replace(subject, search, template, host.spend)
  },
  'regex.template_match': (args, host) => {
    const [open, close] = [delimiter(text(args, 2)), delimiter(text(args, 3))]
    const pattern = templatePattern(text(args, 0), open, close, host)
    return isFoundIn(text(args, 1), compilePattern(pattern, host), host)
  },
  'glob.quote_meta': (args) => text(args, 0).replace(/[*?\\[\]{}]/g, '\\$&'),
}

type Span = readonly [start: number, end: number]

/** Go's `FindAllStringIndex`: no empty match right behind a match. */
function findAll({ matcher, find }: Search, subject: string, most: number): Span[] {
  const found: Span[] = []
  let previousEnd = -1
  for (let at = 0; at <= subject.length && found.length < most;) {
    if (!find(at)) break
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
function split(pattern: RE2JS, subject: string, host: Host): string[] {
  if (pattern.pattern() !== '' && subject === '') return ['']
  const parts: string[] = []
  let [begin, end] = [0, 0]
  for (const [start, stop] of findAll(searchIn(subject, pattern, host), subject, Infinity)) {
    end = start
    if (stop !== 0) parts.push(subject.slice(begin, end))
    begin = stop
  }
  if (end !== subject.length) parts.push(subject.slice(begin))
  return parts
}

/** Go's `ReplaceAllString`. */
function replace(
  subject: string,
  { matcher, find }: Search,
  template: string,
  spend: Spend,
): string {
  const parts = partsOf(template)
  let out = ''
  let [at, kept, previousEnd] = [0, 0, -1]
  while (at <= subject.length && find(at)) {
    const [start, end] = [matcher.start(), matcher.end()]
    const accepted = end !== at || start !== previousEnd
    previousEnd = end
    at = end === at ? at + width(subject, at) : end
    if (!accepted) continue
    out += subject.slice(kept, start)
    for (const part of parts) {
      const text = typeof part === 'string' ? part : groupText(matcher, part.group)
      spend(STEPS_A_PART + text.length)
      out += text
    }
    kept = end
  }
  return out + subject.slice(kept)
}

type Matcher = Search['matcher']

const STEPS_A_PART = 60

function groupText(matcher: Matcher, name: string): string {
  if (/^\d+$/.test(name))
    return Number(name) <= matcher.groupCount() ? (matcher.group(Number(name)) ?? '') : ''
  return Object.hasOwn(matcher.namedGroups, name) ? (matcher.group(name) ?? '') : ''
}

/** Text as it is, and names of groups. */
type Part = string | { readonly group: string }

/** Go's `Regexp.Expand`: `$name`, `${name}`, `$$`; any other `$` is itself. */
function partsOf(template: string): readonly Part[] {
  const parts: Part[] = []
  let kept = 0
  const pattern = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu
  for (const { 0: all, 1: bare, 2: braced, index } of template.matchAll(pattern)) {
    const group = bare ?? braced
    parts.push(template.slice(kept, index), group === undefined ? '$' : { group })
    kept = index + all.length
  }
  parts.push(template.slice(kept))
  return parts.filter((part) => part !== '')
}

function delimiter(mark: string): string {
  if (Buffer.byteLength(mark) === 1) return mark
  throw failed('a delimiter has to be exactly one character long')
}

/** Text with patterns between delimiters, which may nest. */
function templatePattern(template: string, open: string, close: string, host: Host): string {
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
      compilePattern(`^${inner}$`, host)
      pattern += `${RE2JS.quote(template.slice(end, start))}(${inner})`
      end = at + 1
    }
  }
  if (level !== 0) throw failed('unbalanced braces')
  return `${pattern}${RE2JS.quote(template.slice(end))}$`
}
