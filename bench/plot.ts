/** A bar chart as SVG, for pages that are light or dark: text and lines are of a grey that is read on both. */
export interface Group {
  readonly title: string
  readonly bars: readonly {
    readonly name: string
    readonly value: number
    readonly low: number
    readonly high: number
  }[]
}

const WIDTH = 760
const LABEL = 230
const BAR = 20
const GAP = 8
const TITLE = 34
const COLORS: readonly (readonly [start: string, color: string])[] = [
  ['Millrace', '#2f81f7'],
  ['Kafka', '#db6d28'],
  ['Flink', '#bf4b8a'],
]
const GREY = '#848d97'

/** Horizontal bars, each with its range as a thin line. Every group has a scale of its own. */
export function barChart(heading: string, groups: readonly Group[]): string {
  const parts: string[] = []
  let y = 30
  for (const { title, bars } of groups) {
    y += TITLE
    parts.push(text(0, y - 12, title, 'font-weight="600"'))
    const scale = (WIDTH - LABEL - 130) / Math.max(...bars.map(({ high }) => high))
    for (const { name, value, low, high } of bars) {
      const middle = y + BAR / 2
      const color = COLORS.find(([start]) => name.startsWith(start))?.[1] ?? GREY
      const [from, to] = [LABEL + low * scale, LABEL + high * scale]
      parts.push(
        text(LABEL - 10, middle + 4, name, 'text-anchor="end"'),
        `<rect x="${LABEL}" y="${y}" width="${round(value * scale)}" height="${BAR}" rx="2" fill="${color}"/>`,
        `<path d="M${round(from)} ${middle}H${round(to)}" stroke="${GREY}" stroke-width="2"/>`,
        text(to + 8, middle + 4, number(value)),
      )
      y += BAR + GAP
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 10}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>${escaped(heading)}</title>
${text(0, 20, heading, 'font-size="16" font-weight="600"')}
${parts.join('\n')}
</svg>
`
}

const round = (value: number): number => Math.round(value * 10) / 10
const number = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toFixed(value < 10 ? 2 : 1)
const escaped = (value: string): string => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const text = (x: number, y: number, value: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" fill="${GREY}" ${more}>${escaped(value)}</text>`
