import type { Spend } from '../../steps.ts'

/**
 * Go's layouts of times (package `time`): a layout shows how the reference time, Mon Jan 2 15:04:05 MST 2006 (-0700),
 * would be written.
 */
const named: Readonly<Record<string, string>> = {
  ANSIC: 'Mon Jan _2 15:04:05 2006',
  UnixDate: 'Mon Jan _2 15:04:05 MST 2006',
  RubyDate: 'Mon Jan 02 15:04:05 -0700 2006',
  RFC822: '02 Jan 06 15:04 MST',
  RFC822Z: '02 Jan 06 15:04 -0700',
  RFC850: 'Monday, 02-Jan-06 15:04:05 MST',
  RFC1123: 'Mon, 02 Jan 2006 15:04:05 MST',
  RFC1123Z: 'Mon, 02 Jan 2006 15:04:05 -0700',
  RFC3339: '2006-01-02T15:04:05Z07:00',
  RFC3339Nano: '2006-01-02T15:04:05.999999999Z07:00',
}

export const layoutOf = (name: string): string =>
  Object.hasOwn(named, name) ? (named[name] ?? name) : name

/** Elements, the longer before those that they begin with. */
const ELEMENTS = [
  'January Jan Monday Mon MST PM pm 2006 002 __2 _2 15 01 02 03 04 05 06 1 2 3 4 5',
  '-07:00:00 -070000 -07:00 -0700 -07 Z07:00:00 Z070000 Z07:00 Z0700 Z07',
].flatMap((line) => line.split(' '))

/** Every place of a layout is compared with all of them. */
const STEPS_A_PLACE = 100

/** One part of a layout: an element, or text as it is. */
export type Part = { readonly element: string } | { readonly text: string }

export function parseLayout(layout: string, spend: Spend): readonly Part[] {
  spend(layout.length * STEPS_A_PLACE)
  const parts: Part[] = []
  let text = ''
  const push = (element: string): void => {
    if (text !== '') parts.push({ text })
    text = ''
    parts.push({ element })
  }
  for (let at = 0; at < layout.length;) {
    const element = elementAt(layout, at)
    if (element === undefined) {
      text += layout[at] ?? ''
      at += 1
    } else {
      push(element)
      at += element.length
    }
  }
  if (text !== '') parts.push({ text })
  return parts
}

function elementAt(layout: string, at: number): string | undefined {
  const fraction = /^[.,](?:0+|9+)(?!\d)/.exec(layout.slice(at))?.[0]
  if (fraction !== undefined) return fraction
  // `_2006` is an underscore and a year; `Jan` may begin a longer word, except for `January`.
  if (layout.startsWith('_2006', at)) return undefined
  const found = ELEMENTS.find((one) => layout.startsWith(one, at))
  const next = layout.charAt(at + (found?.length ?? 0))
  if ((found === 'Jan' || found === 'Mon') && /[a-z]/.test(next)) return undefined
  return found
}

export const MONTHS =
  'January February March April May June July August September October November December'.split(' ')
export const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
