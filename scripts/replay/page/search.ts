import { attr, button, el } from './dom.ts'
import type { Spots } from './spots.ts'

/** Finds text wherever others wrote it. */
export function createSearch(
  spots: Spots,
  showAll: () => void,
): { readonly element: HTMLElement; readonly focus: () => void } {
  const input = el('input')
  input.type = 'search'
  input.placeholder = 'Search'
  input.autocomplete = 'off'
  input.spellcheck = false
  attr(input, 'aria-label', 'Search the session (/)')
  const count = attr(el('output', 'count'), 'aria-live', 'polite')
  let timer = 0
  let place = -1

  const search = (): void => {
    const query = input.value.trim().toLowerCase()
    if (query !== '') showAll()
    const found = spots.all.reduce((sum, spot) => sum + spot.find(query), 0)
    count.textContent = query === '' ? '' : found === 1 ? '1 match' : `${found} matches`
    place = -1
    if (found > 0) go(1)
  }

  const go = (by: 1 | -1): void => {
    const hits = document.querySelectorAll<HTMLElement>('mark.hit')
    if (hits.length === 0) return
    hits[place]?.classList.remove('current')
    place = (place + by + hits.length) % hits.length
    const hit = hits[place]
    hit?.classList.add('current')
    hit?.scrollIntoView({ block: 'center' })
    count.textContent = `${place + 1} of ${hits.length}`
  }

  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = window.setTimeout(search, 150)
  })
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault()
      go(event.shiftKey ? -1 : 1)
    } else if (event.key === 'Escape') {
      input.value = ''
      search()
      input.blur()
    }
  })
  const element = el(
    'div',
    'search',
    input,
    button('↑', 'Match before (Shift+Enter)', () => go(-1)),
    button('↓', 'Next match (Enter)', () => go(1)),
    count,
  )
  attr(element, 'role', 'search')
  return { element, focus: () => input.focus() }
}
