/** Character classes by UTF-16 code unit. `NaN` (past the end of a string) is in none of them. */

const DIGIT = 1
const LETTER = 2
const UPPER = 4
const HEX = 8
/** May begin the local part of an e-mail address. */
const WORD = 16
/** May continue it. Also the characters of every token format's prefix, so a run of them bounds what a look back must cover. */
const RUN = 32
const BASE64 = 64

const classes = new Uint8Array(65536)

function mark(first: number, last: number, bits: number): void {
  for (let c = first; c <= last; c++) classes[c] = (classes[c] ?? 0) | bits
}

mark(0x30, 0x39, DIGIT | HEX | WORD | RUN | BASE64)
mark(0x41, 0x5a, LETTER | UPPER | WORD | RUN | BASE64)
mark(0x61, 0x7a, LETTER | WORD | RUN | BASE64)
mark(0x41, 0x46, HEX)
mark(0x61, 0x66, HEX)
for (const c of '+/') mark(c.charCodeAt(0), c.charCodeAt(0), BASE64)
for (const c of '_') mark(c.charCodeAt(0), c.charCodeAt(0), WORD | RUN)
for (const c of ".%+-'") mark(c.charCodeAt(0), c.charCodeAt(0), RUN)
// Latin, Greek and Cyrillic letters occur in internationalised addresses. Scripts written without spaces are
// left out: they would make a whole sentence one run, held back until its end.
mark(0xc0, 0x52f, WORD | RUN)
for (const c of [0xd7, 0xf7]) classes[c] = 0

export const isDigit = (c: number): boolean => c >= 48 && c <= 57
export const isLetter = (c: number): boolean => ((classes[c] ?? 0) & LETTER) !== 0
export const isUpper = (c: number): boolean => c >= 65 && c <= 90
export const isLower = (c: number): boolean => c >= 97 && c <= 122
export const isAlnum = (c: number): boolean => ((classes[c] ?? 0) & (LETTER | DIGIT)) !== 0
export const isHex = (c: number): boolean => ((classes[c] ?? 0) & HEX) !== 0
export const isWord = (c: number): boolean => ((classes[c] ?? 0) & WORD) !== 0
export const isRun = (c: number): boolean => ((classes[c] ?? 0) & RUN) !== 0
export const isBase64 = (c: number): boolean => ((classes[c] ?? 0) & BASE64) !== 0
/** Base64url and so the body of most tokens. */
export const isToken = (c: number): boolean => isAlnum(c) || c === 45 || c === 95

/** A single one of these may stand between groups of digits: space, dash, and their no-break and typographic forms. */
export const isGroupSeparator = (c: number): boolean =>
  c === 0x20 ||
  // A blank, in the data of a form.
  c === 0x2b ||
  c === 0x2d ||
  c === 0xa0 ||
  (c >= 0x2000 && c <= 0x200a) ||
  c === 0x202f ||
  (c >= 0x2010 && c <= 0x2015) ||
  c === 0x2212
