import { describe, expect, it } from 'vitest'
import { createTerminal, type View } from '../../src/dev/terminal.ts'
import { EmulatedScreen } from './screen.ts'

const VIEW: View = {
  uptime: 72_000,
  eventsPerSecond: 52,
  totalEvents: 31_204,
  lag: 12,
  delay: { p50: 4.26, p99: 18 },
  entities: [
    {
      title: 'store store-1',
      features: [
        ['orders_5m', 12, 11],
        ['prep_mean', 321.456, 321.456],
        ['wait', null, undefined],
      ],
    },
  ],
  notes: [],
  baseUrl: 'http://127.0.0.1:8080',
  curls: ['curl -s http://127.0.0.1:8080/v1/features/store/store-1'],
}

function tty(columns = 100, rows = 24, colours = false) {
  const screen = new EmulatedScreen(columns, rows, colours)
  const terminal = createTerminal({ out: screen, isTTY: true, now: () => 0 })
  return { screen, terminal }
}

describe('on a terminal', () => {
  it('shows rates, delays, features and the commands to try', () => {
    const { screen, terminal } = tty()
    terminal.render(VIEW)
    terminal.close()
    expect(screen.text).toEqual([
      'millrace dev  up 1m 12s  http://127.0.0.1:8080',
      '52 events/s · 31,204 in all · lag 12 · event to feature p50 4.3 ms, p99 18 ms',
      '',
      'store store-1',
      '  orders_5m*    12   prep_mean 321.46   wait           –',
      '',
      'Try:',
      'curl -s http://127.0.0.1:8080/v1/features/store/store-1',
    ])
  })

  it('shows texts and lists, the long ones apart and cut, and marks what has changed in them', () => {
    const { screen, terminal } = tty()
    const features: View['entities'][0]['features'] = [
      ['status', 'ORDER_PICKED', 'ORDER_CREATED'],
      ['top', ['pizza', 'ramen'], ['pizza', 'ramen']],
      ['powers', [0.25, 1_500, 1e6, 7], [0.25, 1_500, 1e6]],
      ['note', 'two\nlines', undefined],
    ]
    terminal.render({ ...VIEW, entities: [{ title: 'store s1', features }], curls: [] })
    terminal.close()
    expect(screen.text.slice(4)).toEqual([
      '  status*ORDER_PICKED   note      two?lines',
      '  top               pizza · ramen   powers*0.25 · 1,500 · 1,000,00…',
    ])
  })

  it('says nothing of a delay or a lag it does not know', () => {
    const { screen, terminal } = tty()
    terminal.render({ ...VIEW, delay: undefined, lag: undefined })
    terminal.close()
    expect(screen.text[1]).toBe('52 events/s · 31,204 in all · lag –')
  })

  it('tells how far feeding is, and offers no commands while there are none', () => {
    const { screen, terminal } = tty()
    terminal.render({ ...VIEW, progress: 'history: 12,000 of 60,000 events', curls: [] })
    terminal.close()
    expect(screen.text.at(-1)).toBe('history: 12,000 of 60,000 events')
    expect(screen.text).not.toContain('Try:')
  })

  it('repaints in place, whatever was longer before, and leaves what stood above', () => {
    const { screen, terminal } = tty(60, 30)
    screen.write('> millrace dev\r\n')
    terminal.render({
      ...VIEW,
      notes: ['a note that goes away'],
      curls: ['curl '.padEnd(150, 'x'), 'curl '.padEnd(120, 'y')],
    })
    terminal.render(VIEW)
    const once = tty(60, 30)
    once.screen.write('> millrace dev\r\n')
    once.terminal.render(VIEW)
    expect(screen.text).toEqual(once.screen.text)
    terminal.close()
    once.terminal.close()
  })

  it('keeps commands whole over several rows, to the last letter at the very edge', () => {
    for (const length of [59, 60, 61, 119, 120, 121]) {
      const { screen, terminal } = tty(60, 30)
      const curl = 'curl '.padEnd(length, 'abcdefghij')
      for (let i = 0; i < 3; i++) terminal.render({ ...VIEW, curls: [curl, 'curl last'] })
      terminal.close()
      const rows = screen.text
      const from = rows.indexOf('Try:') + 1
      expect(rows.slice(from, -1).join('')).toBe(curl)
      expect(rows.at(-1)).toBe('curl last')
      expect(rows.filter((row) => row === 'Try:')).toHaveLength(1)
    }
  })

  it('never shows more than fits: entities give way, the head and the commands stay', () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      ...(VIEW.entities[0] as View['entities'][number]),
      title: `store ${i}`,
    }))
    const { screen, terminal } = tty(40, 12)
    for (let i = 0; i < 3; i++) terminal.render({ ...VIEW, entities: many })
    terminal.close()
    expect(screen.text.length).toBeLessThanOrEqual(11)
    expect(screen.text[0]).toContain('millrace dev')
    expect(screen.text.join('')).toContain('features/store/store-1')
    for (const rows of [1, 2, 3, 4, 5]) {
      const tiny = tty(40, rows)
      for (let i = 0; i < 3; i++) tiny.terminal.render({ ...VIEW, entities: many })
      tiny.terminal.close()
      expect(tiny.screen.text.filter((line) => line.includes('millrace dev')).length).toBeLessThanOrEqual(1)
    }
  })

  it('paints anew when the size has changed', () => {
    const { screen, terminal } = tty(100, 24)
    terminal.render(VIEW)
    screen.columns = 50
    terminal.render(VIEW)
    terminal.close()
    expect(screen.text.filter((line) => line.includes('millrace dev'))).toHaveLength(1)
    expect(Math.max(...screen.text.map((line) => line.length))).toBeLessThanOrEqual(50)
  })

  it('highlights what has changed with colours where there are any', () => {
    const { screen, terminal } = tty(100, 24, true)
    terminal.render(VIEW)
    terminal.close()
    expect(screen.written).toContain('\x1b[1;32m     12\x1b[0m')
    expect(screen.written).not.toContain('\x1b[1;32m 321.46')
    const plain = tty()
    plain.terminal.render(VIEW)
    plain.terminal.close()
    expect(plain.screen.written.split('\x1b[').filter((part) => /^[\d;]*m/.test(part))).toEqual([])
  })

  it('hides the cursor and gives it back once', () => {
    const { screen, terminal } = tty()
    const listening = process.listenerCount('exit')
    expect(screen.cursorShown).toBe(false)
    terminal.close()
    expect(screen.cursorShown).toBe(true)
    expect(process.listenerCount('exit')).toBe(listening - 1)
    const { length } = screen.written
    terminal.close()
    terminal.render(VIEW)
    expect(screen.written).toHaveLength(length)
  })

  it('lets no name move the cursor', () => {
    const { screen, terminal } = tty()
    terminal.render({ ...VIEW, entities: [{ title: 'store \x1b[2J\u009b1A', features: [] }], notes: ['a\nb'] })
    terminal.close()
    expect(screen.text).toContain('store ?[2J?1A')
    expect(screen.text).toContain('a?b')
  })
})

describe('where there is no terminal', () => {
  it('says the address and the commands once, and a line every five seconds', () => {
    let now = 0
    let out = ''
    const terminal = createTerminal({ out: { write: (text) => (out += text) }, isTTY: false, now: () => now })
    for (; now < 12_000; now += 500) terminal.render({ ...VIEW, notes: ['simulated time'] })
    terminal.close()
    const line =
      'up 1m 12s · 52 events/s · 31,204 in all · lag 12 · event to feature p50 4.3 ms, p99 18 ms · store store-1: orders_5m=12 prep_mean=321.46 wait=–'
    expect(out.trimEnd().split('\n')).toEqual([
      'millrace dev at http://127.0.0.1:8080',
      '  curl -s http://127.0.0.1:8080/v1/features/store/store-1',
      'simulated time',
      line,
      line,
      line,
    ])
    expect(out).not.toContain('\x1b')
  })

  it('tells how far feeding is within that line', () => {
    let out = ''
    const terminal = createTerminal({ out: { write: (text) => (out += text) }, isTTY: false, now: () => 0 })
    for (const events of [1, 2]) terminal.render({ ...VIEW, progress: `history: ${events} of 60 events` })
    expect(out.match(/history.*? events/g)).toEqual(['history: 1 of 60 events'])
  })
})
