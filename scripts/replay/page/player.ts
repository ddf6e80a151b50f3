import type { PageData } from '../page-data.ts'
import type { Timed } from './article.ts'
import { attr, button, el } from './dom.ts'
import type { Spots } from './spots.ts'
import { clockText, dayText, lastAt, type PlayTime } from './time.ts'

/** Play, pause, speed, steps: what of the session is there to see. */
export type Player = {
  readonly element: HTMLElement
  readonly toggle: () => void
  readonly step: (by: 1 | -1) => void
  readonly toBegin: () => void
  readonly toEnd: () => void
  readonly faster: (by: 1 | -1) => void
}

const speeds = [0.25, 0.5, 1, 2, 5, 10, 30] as const

export type PlayerParts = {
  readonly data: PageData
  readonly time: PlayTime
  readonly spots: Spots
  readonly timed: readonly Timed[]
  /** Told of each new time. */
  readonly moved: (play: number) => void
  /** Brings a step into view. */
  readonly bring: (index: number) => void
}

export function createPlayer(parts: PlayerParts): Player {
  const { data, time, spots, timed, moved, bring } = parts
  let play = time.length
  let speed = 1
  let frame = 0
  let before = 0
  /** The newest thing that was brought into view while it plays. */
  let followed = -1

  const playing = button('▶ Play', 'Play (space)', () => toggle())
  playing.className = 'play'
  const slider = el('input', 'slider')
  slider.type = 'range'
  slider.min = '0'
  slider.max = String(Math.ceil(time.length))
  slider.step = '1'
  attr(slider, 'aria-label', 'Time of the session')
  slider.addEventListener('input', () => {
    pause()
    seek(Number(slider.value))
  })
  const select = el('select')
  attr(select, 'aria-label', 'Speed')
  for (const one of speeds) {
    const option = el('option', '', `${one} ×`)
    option.value = String(one)
    select.append(option)
  }
  select.value = '1'
  select.addEventListener('change', () => (speed = Number(select.value)))
  const clock = el('output', 'clock')
  const said = attr(el('p', 'said'), 'aria-live', 'polite')
  const element = el(
    'div',
    'player',
    button('⇤', 'To the begin (Home)', () => toBegin()),
    button('← Step', 'Step back (←)', () => step(-1)),
    playing,
    button('Step →', 'Step on (→)', () => step(1)),
    button('⇥', 'To the end (End)', () => toEnd()),
    select,
    slider,
    clock,
    said,
  )
  attr(attr(element, 'role', 'group'), 'aria-label', 'Replay')

  function seek(to: number): void {
    play = Math.min(Math.max(to, 0), time.length)
    // All of it, also what differs by a rounding.
    const at_ms = play >= time.length ? Infinity : time.toSession(play) + 0.5
    for (const one of timed) one.element.classList.toggle('later', one.at_ms > at_ms)
    for (const spot of spots.all) spot.at(at_ms)
    slider.value = String(Math.round(play))
    const now = time.toSession(play)
    clock.textContent = `${dayText(now)} ${clockText(now)} UTC`
    attr(slider, 'aria-valuetext', clockText(now))
    moved(play)
  }

  function toggle(): void {
    if (frame !== 0) return pause()
    if (play >= time.length) seek(0)
    followed = -1
    playing.textContent = '⏸ Pause'
    attr(playing, 'aria-label', 'Pause (space)')
    before = performance.now()
    frame = requestAnimationFrame(tick)
  }

  function pause(): void {
    if (frame !== 0) cancelAnimationFrame(frame)
    frame = 0
    playing.textContent = '▶ Play'
    attr(playing, 'aria-label', 'Play (space)')
  }

  function tick(now: number): void {
    seek(play + (now - before) * speed)
    before = now
    follow()
    if (play >= time.length) pause()
    else frame = requestAnimationFrame(tick)
  }

  function follow(): void {
    const stop = stopAt()
    if (stop === followed) return
    followed = stop
    const shown = data.stops[stop]
    if (shown) bring(shown.index)
  }

  const stopAt = (): number => lastAt(data.stops, time.toSession(play) + 0.5, ({ at_ms }) => at_ms)

  /** Stops at the same time are one step each: their order is that of the log. */
  let cursor = data.stops.length
  function step(by: 1 | -1): void {
    pause()
    const here = stopAt()
    const near = data.stops[cursor]
    const isHere = near !== undefined && Math.abs(time.toPlay(near.at_ms) - play) < 1
    const isBegin = cursor === -1 && play === 0
    cursor = isHere || isBegin ? cursor + by : by === 1 ? here + 1 : here
    cursor = Math.min(Math.max(cursor, 0), data.stops.length - 1)
    const stop = data.stops[cursor]
    if (!stop) return
    seek(time.toPlay(stop.at_ms))
    said.textContent = `${cursor + 1} of ${data.stops.length}: ${stop.what}`
    bring(stop.index)
    try {
      history.replaceState(null, '', `#step-${stop.index}`)
    } catch {
      // Some browsers let no file change its address; the step is shown all the same.
    }
  }

  function toBegin(): void {
    pause()
    cursor = -1
    seek(0)
    scrollTo({ top: 0 })
  }

  function toEnd(): void {
    pause()
    cursor = data.stops.length
    seek(time.length)
  }

  function faster(by: 1 | -1): void {
    select.selectedIndex = Math.min(Math.max(select.selectedIndex + by, 0), speeds.length - 1)
    speed = Number(select.value)
  }

  // Paper has no time: all of it.
  addEventListener('beforeprint', () => toEnd())
  seek(time.length)
  return { element, toggle, step, toBegin, toEnd, faster }
}
