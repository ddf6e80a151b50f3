import type { Token } from './shell-words.ts'

/** Programs whose effect rules know; one that is named in another's arguments may be run by it. */
const known: ReadonlySet<string> = new Set(
  (
    'rm shred wipefs blkdiscard dd truncate find git psql mysql sqlite3 sudo doas su sh bash dash zsh ksh ash csh tcsh fish ' +
    'busybox python python3 perl ruby node php curl wget nc ncat kubectl terraform rimraf'
  ).split(' '),
)

/** Programs that run nothing of what they are given, or whose ways to do so are looked into elsewhere. */
const passive: ReadonlySet<string> = new Set(
  (
    'echo printf true false : test [ [[ export declare local readonly typeset unset alias unalias which type man help exit ' +
    'return kill sleep date git gh glab hub cat tac head tail less more bat nl od xxd hexdump strings base64 wc sort uniq cut ' +
    'paste diff cmp comm file stat ls tree du find grep egrep fgrep rg ag sed awk gawk mawk nawk jq yq column fold rev ' +
    'readlink realpath tr cd pushd popd source . tee touch mkdir chmod chown chgrp ln truncate rm rmdir unlink shred cp mv ' +
    'install rsync scp dd tar zip unzip gzip gunzip curl wget apropos whatis whereis hash compgen complete apt apt-get brew ' +
    'yum dnf pacman apk pip pip3 gem cargo go dpkg rpm snap read case let set shift wait pgrep pkill killall ps top history ' +
    'eval ssh trap watch'
  ).split(' '),
)

/** Whether a text may be a command line of a program whose effect rules know. */
const commandLine: RegExp =
  /(?:^|[;&|({\n]\s*)(?:(?:sudo|env|command|exec|nohup)\s+)*(?:[\w./~-]*\/)?(?:rm|shred|dd|mkfs[\w.]*|wipefs|truncate|find|git|curl|wget|sh|bash|zsh|rimraf|eval|sudo)\s/

/**
 * What a program that is not known may run: its words from one on that names a program, or one word that is a script.
 * `fakeroot rm -rf x` is found without a list of everything that is like fakeroot.
 */
export function argumentCommands(
  name: string,
  args: readonly Token[],
): { readonly commands: readonly (readonly Token[])[]; readonly scripts: readonly Token[] } {
  if (passive.has(name)) return { commands: [], scripts: [] }
  const scripts = args.filter(isCommandLine)
  const at = args.findIndex(
    ({ program = '' }) => known.has(program.toLowerCase()) || program.startsWith('mkfs'),
  )
  // `start-stop-daemon --exec /bin/rm -- -rf x`
  const words = args.slice(at).filter((word, k) => k !== 1 || word.value !== '--')
  return { commands: at < 0 ? [] : [words], scripts }
}

/** Whether one word is, or may be, a command line in itself. */
export const isCommandLine = ({ value }: Token): boolean =>
  /\s/.test(value) && (value.length > 2048 || commandLine.test(value))
