/** Elements and text, and no other way onto the page: nothing here parses markup. */

type Tag = keyof HTMLElementTagNameMap
type Child = Node | string | undefined

/** @param tag always a literal of this script. Strings become text. */
export function el<T extends Tag>(
  tag: T,
  className = '',
  ...children: readonly Child[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag)
  if (className !== '') element.className = className
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/** Attributes that this script sets. None of them runs or loads anything. */
type Attribute = 'aria-label' | 'aria-live' | 'aria-valuetext' | 'aria-current' | 'role' | 'lang'

export function attr<E extends Element>(element: E, name: Attribute, value: string): E {
  element.setAttribute(name, value)
  return element
}

export function button(label: string, title: string, press: () => void): HTMLButtonElement {
  const made = el('button', '', label)
  made.type = 'button'
  made.title = title
  attr(made, 'aria-label', title)
  made.addEventListener('click', press)
  return made
}

/** A link to a step of this page. */
export function stepLink(index: number, ...children: readonly Child[]): HTMLAnchorElement {
  const link = el('a', 'step', ...children)
  link.href = `#step-${Math.trunc(index)}`
  return link
}

/** Characters that turn, hide or control text. They are shown by their numbers. */
const hidden =
  // oxlint-disable-next-line no-control-regex
  /[\u034f\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/gu

/** Text of others as nodes. */
export function inert(text: string): DocumentFragment {
  const out = document.createDocumentFragment()
  let from = 0
  for (const { 0: char, index } of text.matchAll(hidden)) {
    if (index > from) out.append(...breakable(text.slice(from, index)))
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    const chip = el('span', 'hidden-char', `U+${code}`)
    chip.title = 'a character that would not be seen, or would change how the text looks'
    out.append(chip)
    from = index + char.length
  }
  if (from < text.length) out.append(...breakable(text.slice(from)))
  return out
}

/** Places to end a line in words without end, which browsers otherwise take quadratic time for. */
function breakable(text: string): readonly (Node | string)[] {
  const out: (Node | string)[] = []
  let from = 0
  for (const { 0: run, index } of text.matchAll(/\S{80}/gu)) {
    const to = index + run.length
    out.push(text.slice(from, to), document.createElement('wbr'))
    from = to
  }
  out.push(text.slice(from))
  return out
}
