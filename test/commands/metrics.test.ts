/** What a running Millrace says at /metrics, held to docs/metrics.md. */
import { readFileSync, rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import { exampleProject, start } from './cli.ts'

interface Metric {
  readonly name: string
  readonly type: string
  readonly help: string
}
interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

interface Scraped {
  readonly metrics: readonly Metric[]
  readonly samples: readonly Sample[]
}

let once: Promise<Scraped> | undefined
/** All that a Millrace says that has worked and was asked for this and that. It is run for the first test that asks. */
function scraped(): Promise<Scraped> {
  once ??= scrape()
  return once
}

async function scrape(): Promise<Scraped> {
  const folder = exampleProject()
  try {
    const dev = start('dev', '-d', folder, '--port', '0', '--rate', '500')
    const [, url = ''] = await dev.says(/at (http:\S+)/)
    await dev.says(/curl/)
    await fetch(`${url}/v1/features/store/store-1`)
    await fetch(`${url}/v1/features/store/store-1/watch`).then(({ body }) => body?.cancel())
    await fetch(`${url}/v1/features/nothing/customer-17`)
    await fetch(`${url}/order-99`)
    await fetch(`${url}/metrics`)
    const text = await (await fetch(`${url}/metrics`)).text()
    dev.signal('SIGINT')
    await dev.exit
    return parse(text)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function parse(text: string): Scraped {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
  return {
    metrics: [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', help = '']) => ({
      name,
      help,
      type: types.get(name) ?? '',
    })),
    samples: [...text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)].map(([, name = '', labels = '']) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
      ),
    })),
  }
}

const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)].map(
  ([, name = '', type = '', labels = '', help = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/\w+/g)].map(([label]) => label),
    help,
  }),
)

it('are those of the page, by name, type and meaning, and no others', async () => {
  const { metrics } = await scraped()
  const own = metrics.filter(({ name }) => name.startsWith('millrace_'))
  const described = rows.map(({ name, type, help }) => ({ name, type, help }))
  const byName = (a: Metric, b: Metric) => a.name.localeCompare(b.name)
  expect([...own].sort(byName)).toEqual([...described].sort(byName))
  const others = metrics.filter(({ name }) => !/^(millrace|process|nodejs)_/.test(name))
  expect(others).toEqual([])
  expect(metrics.map(({ name }) => name)).toContain('process_cpu_seconds_total')
})

it('have the labels of the page', async () => {
  const { samples } = await scraped()
  const own = samples.filter(({ name }) => name.startsWith('millrace_'))
  const seen = new Set<string>()
  for (const { name, labels } of own) {
    const row = rows.find((row) => row.name === name || name.replace(/_(bucket|sum|count)$/, '') === row.name)
    seen.add(row?.name ?? '')
    expect(
      Object.keys(labels)
        .filter((label) => label !== 'le')
        .sort(),
      name,
    ).toEqual([...(row?.labels ?? [])].sort())
  }
  for (const name of [
    'records_in_total',
    'records_out_total',
    'lag_records',
    'clock_timestamp_seconds',
    'sink_seconds',
  ])
    expect(seen).toContain(`millrace_${name}`)
})

it('count requests by route, never by what somebody asked for', async () => {
  const { samples } = await scraped()
  const routes = new Set(
    samples.filter(({ name }) => name === 'millrace_http_requests_total').map(({ labels }) => labels.route),
  )
  expect([...routes].sort()).toEqual([
    '/metrics',
    '/v1/features/{entity}/{id}',
    '/v1/features/{entity}/{id}/watch',
    'none',
  ])
  const timed = samples.filter(({ name }) => name === 'millrace_http_request_seconds_count')
  expect(timed.map(({ labels }) => labels.route)).not.toContain('/v1/features/{entity}/{id}/watch')
})

it('name no person, order or place', async () => {
  const { samples } = await scraped()
  const values = new Set(samples.flatMap(({ labels }) => Object.values(labels)))
  expect(values.size).toBeGreaterThan(20)
  expect([...values].filter((value) => /(store|order|customer|courier)-\w*\d/.test(value))).toEqual([])
})
