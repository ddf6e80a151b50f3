/** How a wrapper's own arguments end and the command that it runs begins. */
export type Wrapper = {
  /** Options without a value, short letters as one string. */
  readonly bare: string
  /** Short options with a value. */
  readonly valued: string
  /** Long options whose value is the next word when there is no `=`. */
  readonly long?: readonly string[]
  /** Words of its own before the command: the duration of `timeout`. */
  readonly operands?: number
  /** Whether `NAME=value` words may stand before the command. */
  readonly assigns?: boolean
  /** Options after which nothing is run. */
  readonly prints?: string
}

/** From the manual pages of coreutils, util-linux, sudo, findutils, procps and strace. */
export const wrappers: ReadonlyMap<string, Wrapper> = new Map<string, Wrapper>([
  [
    'sudo',
    {
      bare: 'ABbEeHiKknPSsVvlN',
      valued: 'aCcDghpRrTtUu',
      assigns: true,
      long: [
        'user',
        'group',
        'chdir',
        'chroot',
        'host',
        'prompt',
        'role',
        'type',
        'other-user',
        'close-from',
      ],
    },
  ],
  ['doas', { bare: 'Lns', valued: 'aCu' }],
  ['env', { bare: 'i0v', valued: 'uCS', assigns: true, long: ['unset', 'chdir', 'split-string'] }],
  [
    'xargs',
    {
      bare: '0prtxo',
      valued: 'aEdILnPsJRS',
      long: [
        'arg-file',
        'delimiter',
        'max-args',
        'max-procs',
        'max-lines',
        'max-chars',
        'process-slot-var',
      ],
    },
  ],
  ['nohup', { bare: '', valued: '' }],
  ['time', { bare: 'pvaqlhV', valued: 'of', long: ['output', 'format'] }],
  ['timeout', { bare: 'vfp', valued: 'sk', operands: 1, long: ['signal', 'kill-after'] }],
  ['nice', { bare: '0123456789', valued: 'n', long: ['adjustment'] }],
  ['ionice', { bare: 't', valued: 'cn', long: ['class', 'classdata'] }],
  ['chrt', { bare: 'abdfiomrRv', valued: 'TPD', operands: 1 }],
  ['taskset', { bare: 'ac', valued: '', operands: 1 }],
  ['stdbuf', { bare: '', valued: 'ioe', long: ['input', 'output', 'error'] }],
  ['setsid', { bare: 'cfw', valued: '' }],
  ['command', { bare: 'p', valued: '', prints: 'vV' }],
  ['builtin', { bare: '', valued: '' }],
  ['exec', { bare: 'cl', valued: 'a' }],
  ['busybox', { bare: '', valued: '' }],
  ['toybox', { bare: '', valued: '' }],
  [
    'strace',
    { bare: 'fFcCdDhiknNqrtTvVwxyzYZ', valued: 'abeEIopPsSuUX', long: ['trace', 'output'] },
  ],
  ['ltrace', { bare: 'bcCfhiLrStTV', valued: 'aADeFlnopsuwx' }],
  ['unshare', { bare: 'imnpuUCTfrc', valued: 'RwSG', long: ['root', 'wd', 'setuid', 'setgid'] }],
  ['chroot', { bare: '', valued: '', operands: 1, long: ['groups', 'userspec'] }],
  ['setpriv', { bare: 'd', valued: '', long: ['reuid', 'regid', 'groups'] }],
  ['caffeinate', { bare: 'dimsu', valued: 'tw' }],
  ['torsocks', { bare: 'iq', valued: 'aupP' }],
  ['proxychains', { bare: 'q', valued: 'f' }],
  ['proxychains4', { bare: 'q', valued: 'f' }],
  ['flock', { bare: 'sxeunoFv', valued: 'wEc', operands: 1, long: ['timeout', 'command'] }],
])

/** Programs that run a script in a shell's language. */
export const shells: ReadonlySet<string> = new Set([
  'sh',
  'bash',
  'dash',
  'zsh',
  'ksh',
  'csh',
  'tcsh',
  'ash',
  'mksh',
  'rbash',
  'fish',
])

/** Interpreters of other languages, with the options that give the program elsewhere than on standard input. */
export const interpreters: ReadonlyMap<string, RegExp> = new Map([
  ['python', /^-[a-zA-Z]*[cm]/],
  ['node', /^(-[a-z]*[ep]|--eval|--print|--test)/],
  ['deno', /^(eval|run|test|fmt|lint|task)$/],
  ['bun', /^(-e|run|x|test|install|add)$/],
  ['perl', /^-[a-zA-Z0-9]*[eE]/],
  ['ruby', /^-[a-zA-Z]*e/],
  ['php', /^-[rf]/],
  ['lua', /^-e/],
  ['Rscript', /^-e/],
  ['osascript', /^-e/],
  ['pwsh', /^-(c|f)/i],
  ['powershell', /^-(c|f)/i],
])

/** Name of the table for `python3.12` and the like. */
export const interpreterName = (program: string): string => program.replace(/[0-9.]+$/, '')

/** Options whose value is a script in the shell's language. */
export const scriptOptions: ReadonlyMap<string, readonly string[]> = new Map([
  ['su', ['-c', '--command', '--session-command']],
  ['runuser', ['-c', '--command', '--session-command']],
  ['script', ['-c', '--command']],
  ['flock', ['-c', '--command']],
])

/** Options after which a command stands, up to `;` or `+`. */
export const execOptions: ReadonlyMap<string, readonly string[]> = new Map([
  ['find', ['-exec', '-execdir', '-ok', '-okdir']],
  ['fd', ['-x', '-X', '--exec', '--exec-batch']],
  ['fdfind', ['-x', '-X', '--exec', '--exec-batch']],
])

/** What runs a command given after arguments that are not parsed here. */
export const containers: ReadonlySet<string> = new Set([
  'docker',
  'podman',
  'nerdctl',
  'kubectl',
  'oc',
  'lxc',
  'nsenter',
  'systemd-run',
  'parallel',
  'firejail',
  'bwrap',
])

/** Options of ssh that take a value. */
export const sshValued = 'BbcDEeFIiJLlmOoPpRSWw'

/** Variables whose value the shell, or what it starts, runs. */
const codeVariables =
  /^(BASH_ENV|ENV|PROMPT_COMMAND|LD_PRELOAD|LD_AUDIT|DYLD_INSERT_LIBRARIES|GIT_SSH|GIT_SSH_COMMAND|GIT_EXTERNAL_DIFF|GIT_PROXY_COMMAND|GIT_ASKPASS|SSH_ASKPASS|PERL5OPT|PERL5DB|RUBYOPT|PYTHONSTARTUP|PYTHONINSPECT|LESSOPEN|LESSCLOSE|BASH_FUNC_.*)$/
/** Variables that name a program which others start. */
const programVariables =
  /^(PAGER|MANPAGER|GIT_PAGER|EDITOR|VISUAL|GIT_EDITOR|GIT_SEQUENCE_EDITOR|BROWSER|SYSTEMD_PAGER)$/
const plainPrograms =
  /^(cat|less|more|bat|head|tail|true|:|none|vi|vim|nano|code|emacs|)( -[\w-]+)*$/

/** Whether something runs what a variable is set to. */
export function runsValue(variable: string, value: string): boolean {
  if (codeVariables.test(variable)) return true
  if (programVariables.test(variable))
    return !plainPrograms.test(value.replace(/^(['"])(.*)\1$/s, '$2'))
  if (/^PS[0-4]$/.test(variable)) return /\$\(|`/.test(value)
  return (
    variable === 'NODE_OPTIONS' &&
    /(-r|--(require|import|loader|experimental-loader))\b/.test(value)
  )
}

/** What becomes another user, or enters a place, and starts a shell there when no command is given. */
export const loginShells: ReadonlySet<string> = new Set([
  'su',
  'sudo',
  'doas',
  'newgrp',
  'sg',
  'chroot',
  'unshare',
  'nsenter',
  'script',
  'machinectl',
])

/** Programs that rules know by name, which file systems that fold case find in capitals as well. */
const folded: ReadonlySet<string> = new Set([
  ...wrappers.keys(),
  ...shells,
  ...containers,
  ...'rm rmdir find git curl wget dd shred truncate psql mysql nc ssh scp rsync cat python python3 node perl ruby php'.split(
    ' ',
  ),
])

/** The name that rules know a program by: `RM` and `rm.exe` are `rm`. */
export function programName(program: string): string {
  const name = program.toLowerCase().replace(/\.(exe|cmd|bat)$/, '')
  return folded.has(name) || name.startsWith('mkfs') ? name : program
}
