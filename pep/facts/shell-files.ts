import type { FilePath } from '../../pdp/contract/facts.ts'
import type { ShellState, Stdin } from './shell-state.ts'
import { literal, type Token } from './shell-words.ts'

type Op = FilePath['op']

const named = (op: Op, programs: string): (readonly [string, Op])[] =>
  programs.split(' ').map((program) => [program, op])

/** What programs do with every operand. */
const operations: ReadonlyMap<string, Op> = new Map([
  ...named(
    'read',
    'cat tac head tail less more most bat batcat nl od xxd hexdump hd strings base64 base32 wc sort uniq cut paste diff ' +
      'cmp comm md5sum sha1sum sha256sum sha512sum file stat ls tree du find fd fdfind zcat jq yq sed grep egrep fgrep rg ' +
      'ag awk gawk mawk column fold rev readlink realpath tr view cd pushd source .',
  ),
  ...named('write', 'tee touch mkdir chmod chown chgrp truncate mkfifo setfacl'),
  ...named('delete', 'rm rmdir unlink shred rimraf srm trash'),
])

/** Their last operand is written, the others are read, or gone afterwards. */
const movers: ReadonlyMap<string, Op> = new Map([
  ...named('read', 'cp install rsync scp ln'),
  ...named('delete', 'mv'),
])

/** Their first operand is a pattern or a program. */
const patternFirst = /^([efg]?grep|rg|ag|sed|[gm]?awk|jq|yq|tr)$/

/** Their words are text, or names of something else. */
const silent: ReadonlySet<string> = new Set(
  'echo printf true false : test [ export declare local readonly unset alias which type man help exit return kill sleep date'.split(
    ' ',
  ),
)

/** Says which files a command names, and what it does with them. */
export function commandFiles(
  name: string,
  args: readonly Token[],
  stdin: Stdin,
  state: ShellState,
): void {
  if (stdin.kind === 'file') state.path(stdin.path, 'read')
  // `echo ~/.ssh/id_rsa` prints a name; in `$(…)` or a pipe it is one for another command.
  if (silent.has(name) && !state.substituting) return
  const put = (token: Token, op: Op): void => {
    // What a command prints is not known; its own words are looked at where it stands.
    const computed = token.computed && /^(\$\([^]*\)|`[^`]*`|[<>]\([^]*\))$/.test(token.value)
    if (!token.value.startsWith('-') && !computed) state.path(token.value, op)
  }
  if (name === 'dd') {
    for (const { value } of args) {
      if (value.startsWith('if=')) state.path(value.slice(3), 'read')
      if (value.startsWith('of=')) state.wrote(value.slice(3))
    }
    return
  }
  if (name === 'curl' || name === 'wget') downloads(name, args, state)
  const op = operations.get(name)
  const operands = args.filter((word) => !word.value.startsWith('-'))
  const moved = movers.get(name)
  if (moved !== undefined) {
    const target = args.find((word) => /^(-t$|--target-directory)/.test(word.value))
    const last = target === undefined ? operands.at(-1) : undefined
    for (const word of operands)
      if (word !== last) put(word, moved)
      else if (isRemote(name, word.value)) continue
      else state.wrote(word.value)
    return
  }
  if (op === undefined) return others(args, state)
  const inPlace =
    name === 'sed' && args.some((word) => /^(-[a-zA-Z]*i|--in-place)/.test(word.value))
  const given = args.some((word) => /^(-[a-zA-Z]*[ef]|--regexp|--file|--files)/.test(word.value))
  const files = patternFirst.test(name) && !given ? operands.slice(1) : operands
  for (const word of files) {
    if (name === 'tee') state.wrote(word.value)
    else put(word, inPlace ? 'write' : op)
  }
  for (const word of args) if (word.value.startsWith('-')) others([word], state)
}

const isRemote = (name: string, value: string): boolean =>
  (name === 'rsync' || name === 'scp') && /^[^/]+:/.test(value)

/** Files that a download is written to. */
function downloads(name: string, args: readonly Token[], state: ShellState): void {
  const option =
    name === 'curl'
      ? /^(-[a-zA-Z]*o|--output)(=?)(.*)$/s
      : /^(-[a-zA-Z]*O|--output-document)(=?)(.*)$/s
  const byName =
    name === 'wget' || args.some((word) => /^(-[a-zA-Z]*O|--remote-name)/.test(word.value))
  for (const [k, { value }] of args.entries()) {
    // `-d @file`, `-F name=@file`, `-F name=<file`, `-T file`
    const [, sent] = /^(?:-[dF]|[\w-]+=|--[\w-]+=)?(?:@|(?<==)<)([^;]+)/.exec(value) ?? []
    if (sent !== undefined && sent !== '-') state.path(sent, 'read')
    if (/^(-[a-zA-Z]*T|--upload-file|--(post|body)-file)$/.test(value))
      state.path(args[k + 1]?.value ?? '', 'read')
    const [, , , glued = ''] = option.exec(value) ?? []
    const file = option.test(value) ? glued || args[k + 1]?.value : undefined
    if (file !== undefined && file !== '-') state.wrote(file, 'download')
    const last = /^[a-z]+:\/\/[^?#]*\/([^/?#]+)/i.exec(value)?.[1]
    if (byName && last !== undefined) state.wrote(last, 'download')
  }
}

/** Words of a program that is not known: those that look like paths, also behind `=`, `@` and `:`. */
function others(args: readonly Token[], state: ShellState): void {
  for (const { value } of args) {
    if (value.length > 512 || /\s/.test(value)) continue
    const bare = value.replace(/^-{1,2}[\w-]*=?/, '')
    for (const part of new Set([bare, ...bare.split(/[=@<]/).slice(1)]))
      if (/^file:/i.test(part)) state.path(part, 'read')
      else if (!part.includes('://') && looksLikePath(part)) {
        state.path(part, 'unknown')
        // `docker -v /a:/b` and `scp`-like pairs.
        if (part.includes(':')) for (const half of part.split(':')) state.path(half, 'unknown')
      }
  }
}

const looksLikePath = (word: string): boolean =>
  /^[.~/]|[/\\]|\.[a-z][a-z0-9]{0,9}$/i.test(word) || /^id_\w+$/.test(word)

/** Paths in the text of a program in another language, where it quotes them. */
export function quotedPaths(text: string, state: ShellState): void {
  const words = text.matchAll(/(['"])([^'"\n]{1,256})\1/g)
  const found = [...words].map(([, , word = '']) => word).slice(0, 64)
  others(found.map(literal), state)
}
