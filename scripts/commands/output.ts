/** How commands speak: to a person, or with `--json` to a script. */

/** Exit codes of every command. */
export const exitCodes = {
  ok: 0,
  /** It ran, and something is wrong: a check failed, a bundle differs. */
  failed: 1,
  /** Wrong arguments or configuration. */
  usage: 2,
  /** Not logged in, or not allowed. */
  refused: 3,
  /** Nothing answers there. */
  unreachable: 4,
} as const

export type ExitName = keyof typeof exitCodes

export const exitHelp = `
Exit codes: 0 done, 1 something is wrong, 2 wrong arguments or configuration, 3 not logged in or not allowed,
4 nothing answers.`

/** Ends a command; the message says what to do. */
export class CommandError extends Error {
  readonly exit: ExitName
  constructor(exit: ExitName, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exit = exit
  }
}

/** Prints JSON on one line, or the text. */
export function print(json: boolean | undefined, value: unknown, text: () => string): void {
  process.stdout.write(json ? jsonLine(value) : `${text()}\n`)
}

/** JSON and a line end. Characters that `shown` writes out are escaped, so that a terminal obeys none of them. */
export function jsonLine(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, undefined, indent)
  return `${json.replace(hidden, (char) => char.replaceAll(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`))}\n`
}

const colours = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const

/** Coloured on a terminal, unless NO_COLOR is set. */
export function paint(colour: keyof typeof colours, text: string): string {
  const on = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''
  return on ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text
}

/**
 * Text that others wrote, safe to show on a terminal: control characters, escape sequences and characters that
 * change the direction or hide text are written out.
 */
export function shown(text: string): string {
  return text.replace(hidden, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

const hidden =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

/** Columns of equal width. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(head)), ...rows.map(line)].join('\n')
}

export const clock = (ms: number): string =>
  new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
