/** What the live view shows, as lines of styled text fitted to a width and a height. */
import type { FeatureValue } from '../core/model.ts'

export interface View {
  /** In ms. */
  readonly uptime: number
  readonly eventsPerSecond: number
  readonly totalEvents: number
  /** Records not yet processed; undefined while unknown. */
  readonly lag: number | undefined
  /**
   * From an event's arrival in the log to its features, in ms of the wall clock. Undefined while unknown, and with
   * simulated time, whose timestamps the wall clock says nothing about.
   */
  readonly delay: { readonly p50: number; readonly p99: number } | undefined
  readonly entities: readonly {
    readonly title: string
    /** Name, value, and the value shown before: a difference is highlighted. */
    readonly features: readonly (readonly [name: string, value: FeatureValue, previous: FeatureValue | undefined])[]
  }[]
  /** How far feeding is, while there is something to tell. */
  readonly progress?: string | undefined
  readonly notes: readonly string[]
  readonly baseUrl: string
  readonly curls: readonly string[]
}

/** A `changed` text begins with a blank, where a mark can stand. A `copy` is alone in its line, which stays whole. */
export type Style = 'plain' | 'bold' | 'dim' | 'changed' | 'warning' | 'copy'
export type StyledText = readonly (readonly [Style, string])[]

const CELL_GAP = 3

/** At most `height` lines; all but the curl lines at most `width` wide. Entities give way first when there is no room. */
export function frame(view: View, width: number, height: number): StyledText[] {
  const head: StyledText[] = [
    [
      ['bold', 'millrace dev'],
      ['dim', `  up ${duration(view.uptime)}  `],
      ['plain', view.baseUrl],
    ],
    [['plain', summary(view)]],
  ]
  const foot: StyledText[] = [
    ...(view.progress === undefined ? [] : [[['dim', clean(view.progress)]] satisfies StyledText]),
    ...view.notes.map((note): StyledText => [['warning', clean(note)]]),
  ]
  if (view.curls.length > 0) foot.push([['plain', '']], [['dim', 'Try:']])
  foot.push(...view.curls.map((curl): StyledText => [['copy', clean(curl)]]))
  const body = view.entities.flatMap((entity): StyledText[] => [
    [['plain', '']],
    [['bold', clean(entity.title)]],
    ...cells(
      entity.features.filter(([, value]) => !isWide(value)),
      width,
    ),
    ...cells(
      entity.features.filter(([, value]) => isWide(value)),
      width,
    ),
  ])
  const footRows = foot.reduce((rows, line) => rows + rowsOf(line, width), 0)
  const room = height - head.length - footRows
  if (room < 1) return [...head, ...body].slice(0, Math.max(1, height))
  return [...head, ...body.slice(0, room), ...foot]
}

/** The numbers of the moment in one line. */
export function summary(view: View): string {
  const parts = [
    `${number(view.eventsPerSecond)} events/s`,
    `${number(view.totalEvents)} in all`,
    `lag ${view.lag === undefined ? '–' : number(view.lag)}`,
  ]
  if (view.delay) parts.push(`event to feature p50 ${millis(view.delay.p50)}, p99 ${millis(view.delay.p99)}`)
  return parts.join(' · ')
}

/** Features side by side, in columns of one width. */
function cells(features: View['entities'][number]['features'], width: number): StyledText[] {
  const texts = features.map(([name, value]) => [clean(name), clean(shown(value))] as const)
  const names = Math.max(0, ...texts.map(([name]) => name.length))
  const values = Math.max(0, ...texts.map(([, value]) => value.length))
  const perRow = Math.max(1, Math.floor((width - 2 + CELL_GAP) / (names + 1 + values + CELL_GAP)))
  const rows: StyledText[] = []
  for (let i = 0; i < features.length; i += perRow) {
    const row: (readonly [Style, string])[] = [['plain', '  ']]
    for (let j = i; j < Math.min(i + perRow, features.length); j++) {
      const [name, text] = texts[j] as readonly [string, string]
      const [, value, previous] = features[j] as readonly [string, FeatureValue, FeatureValue | undefined]
      if (j > i) row.push(['plain', ' '.repeat(CELL_GAP)])
      row.push(['dim', name.padEnd(names)])
      row.push([
        previous !== undefined && JSON.stringify(previous) !== JSON.stringify(value) ? 'changed' : 'plain',
        ` ${text.padStart(values)}`,
      ])
    }
    rows.push(row)
  }
  return rows
}

/** How many rows of a screen the line takes: one, as it is cut to fit, but for what is to be copied. */
export function rowsOf(line: StyledText, width: number): number {
  const [[style, text] = ['plain', '']] = line
  return style === 'copy' ? Math.max(1, Math.ceil(text.length / width)) : 1
}

/** Apart from the others, so that these stay close together. */
function isWide(value: FeatureValue): boolean {
  return shown(value).length > 12
}

/** Longer texts and lists are cut. */
const LONGEST = 24

/** A value in a cell. */
export function shown(value: FeatureValue): string {
  if (value === null || typeof value === 'number') return number(value)
  const text = typeof value === 'string' ? value : value.map((item) => shown(item)).join(' · ')
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text
}

/** Whole numbers with thousands apart, others with two decimals, nothing as a dash. */
export function number(value: number | null): string {
  if (value === null) return '–'
  const digits = Number.isInteger(value) || Math.abs(value) >= 1000 ? 0 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  if (h > 0) return `${h}h ${m}m`
  return m > 0 ? `${m}m ${s}s` : `${s}s`
}

function millis(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** Control characters would move the cursor or worse. */
function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}
