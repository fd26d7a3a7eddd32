/**
 * The pages that are made from the code, so that they cannot say anything else than it does. `npm run docs` writes
 * them; a test fails when one is stale.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { createHttpMetrics, processMetrics } from '../src/api/metrics.ts'
import { PROBLEMS } from '../src/api/problem.ts'
import { helpTexts } from '../src/commands/program.ts'
import { base, PARTS } from '../src/core/config.ts'
import { ERRORS } from '../src/core/errors.ts'
import { loadPart, type PartFolder, partNames } from '../src/core/part.ts'
import { createMetrics } from '../src/engine/metrics.ts'
import { featureShape, topologyShape } from '../src/features/declaration.ts'
import { dimensionsShape } from '../src/features/dimensions.ts'
import { ratioShape } from '../src/features/ratio.ts'
import { transformShape } from '../src/transforms/declaration.ts'
import { settingsTable, table } from './settings.ts'

const MADE = '<!-- Made by `npm run docs`. Change the code, not this page. -->'

/** Text of every made page by its name in this folder. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['cli.md', cliPage()],
    ['errors.md', errorsPage()],
    ['metrics.md', await metricsPage()],
    ['reference.md', await referencePage()],
  ])
}

function cliPage(): string {
  const sections = [...helpTexts()].flatMap(([path, text]) => [`## ${path}`, '', '```text', text, '```', ''])
  return page(
    'Command line',
    'What `millrace <command> --help` says. In a clone of the repository, `npm run -s millrace -- <command>` is the same as',
    '`millrace <command>`; paths are relative to the folder where you call it, also below the root of the clone.',
    '',
    'Exit codes are the same for every command: 0 done, 1 not done (said on stderr), 2 wrong usage, 130 ended by a second Ctrl-C.',
    'Answers stand on stdout, everything else on stderr. What `--json` prints is one JSON document, or one a line where a command',
    'goes on; `jq` takes both. A command whose stdout is closed (`| head`) ends quietly, with what it holds closed in order.',
    '',
    ...sections,
  )
}

function errorsPage(): string {
  const errors = Object.entries(ERRORS).map(([code, { what, todo }]) => [`\`${code}\``, what, todo])
  const problems = Object.entries(PROBLEMS).map(([name, { status, title }]) => [`\`${name}\``, String(status), title])
  return page(
    'Errors',
    'A code always means the same. It stands in logs (`code`), in what a command prints (`[code]`), in `/health/ready`, in the',
    'header `millrace-error-code` of dead letters and in the label `code` of `millrace_dead_letters_total`.',
    '',
    'A task that stops clearly goes on after a decision of yours: [semantics.md](semantics.md#clear-stops).',
    '',
    ...table(['code', 'what happened', 'what to do'], errors),
    '',
    '## Answers of the HTTP API',
    '',
    'Problem details of RFC 9457 (`application/problem+json`); `type` is `urn:millrace:problem:<name>`.',
    '',
    ...table(['name', 'status', 'title'], problems),
  )
}

async function metricsPage(): Promise<string> {
  const { registry } = createMetrics()
  createHttpMetrics(registry, () => 0)
  processMetrics(registry)
  const own = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('millrace_'))
  const rows = own.map((metric) => {
    const { name, type, help } = metric
    const { labelNames = [] } = registry.getSingleMetric(name) as { readonly labelNames?: readonly string[] }
    return [`\`${name}\``, String(type), labelNames.map((label) => `\`${label}\``).join(', '), help]
  })
  return page(
    'Metrics',
    'Served at `/metrics` for Prometheus. Times are in seconds, sizes in records. No label ever holds a key or an entity id.',
    'Which alerts to set: [operations.md](operations.md#alerts).',
    '',
    ...table(['metric', 'type', 'labels', 'meaning'], rows),
    '',
    'Labels name topologies, topics, partitions, sinks, codes and routes as OpenAPI writes them: there are as many series as the',
    'configuration has of these, whatever comes in. Gauges of tasks are those of the tasks that are in this process, looked at once a',
    'second; a partition that has gone elsewhere is said there. `process_*` and `nodejs_*` are those of any Node.js process, by',
    'their usual names: CPU, memory, open files, the event loop, garbage collection. How late a clock is:',
    '`time() - millrace_clock_timestamp_seconds`.',
  )
}

async function referencePage(): Promise<string> {
  return page(
    'Reference',
    'Every setting and every part. A duration is a whole number with a unit: `500ms`, `30s`, `10m`, `2h`, `7d`.',
    '',
    '## millrace.yaml',
    '',
    'Where things are. Every setting may be left out; with no file at all everything is embedded, under `.millrace/`. A text may',
    `hold \`\${NAME}\`, a variable of the environment; \`$\${NAME}\` stays as it is.`,
    '',
    ...settingsTable(base),
    '',
    'Four sections choose a part by `kind`, and take the settings of that part beside it:',
    '',
    ...table(
      ['section', '`kind` when left out', 'kinds'],
      Object.entries(PARTS).map(([section, { folder, kind }]) => [
        `\`${section}\``,
        `\`${kind}\``,
        partNames(folder)
          .map((name) => `[\`${name}\`](#${section}-${name})`)
          .join(', '),
      ]),
    ),
    '',
    ...(await sections(
      Object.entries(PARTS).map(([section, { folder }]) => [folder, (name: string) => `${section}: ${name}`]),
      '###',
    )),
    '## A topology of features',
    '',
    'What is computed: one YAML file each in the folder of the topologies. `kind` says what a file is.',
    '',
    ...settingsTable(topologyShape),
    '',
    '`where`, `let`, `when`, `of`, `lifecycle`, `opens` and `closes` are [expressions](expressions.md). With several source topics',
    'one expression holds for all, or a mapping gives each topic its own.',
    '',
    '### Several dimensions',
    '',
    'Of the same events, with the same `from`, `where` and `let`: `dimensions` in the place of `entity` and what belongs to it. Each is a',
    'topology of its own, named `<topology>-<entity>`; the rest of the file is theirs alike.',
    '',
    '```yaml',
    ...DIMENSIONS,
    '```',
    '',
    ...settingsTable(z.strictObject({ dimensions: dimensionsShape })),
    '',
    '### Every feature',
    '',
    'One key names the [aggregation](#aggregations): which events are remembered. `as` names the [operator](#operators): how',
    'they become one number.',
    '',
    ...settingsTable(featureShape),
    '',
    '### A ratio',
    '',
    'A feature that remembers nothing of its own: one feature divided by another, of the same moment.',
    '',
    '```yaml',
    'late_share: { ratio: [late_10m, orders_10m], default: 0 }',
    '```',
    '',
    ...settingsTable(ratioShape),
    '',
    '## A transform',
    '',
    'Makes records of records, into topics that other topologies may read: filters, maps, flattens, enriches, routes. What it promises:',
    '[semantics.md](semantics.md#transforms).',
    '',
    '```yaml',
    ...TRANSFORM,
    '```',
    '',
    ...settingsTable(transformShape),
    '',
    '## Aggregations',
    '',
    ...(await sections([['aggregations', (name) => name]], '###')),
    '## Operators',
    '',
    ...(await sections([['operators', (name) => name]], '###')),
    '## Sinks',
    '',
    'Elements of `to`: a name, or a mapping whose key names the sink.',
    '',
    ...(await sections([['sinks', (name) => name]], '###')),
  )
}

const DIMENSIONS = [
  'topology: visits',
  'kind: features',
  'from: visits',
  'let: { waiting: event.leftAt - event.arrivedAt }',
  'dimensions:',
  '  store:',
  '    by: storeId',
  '    features:',
  '      waiting_ms_mean_50: { last: 50, of: waiting, as: mean }',
  '  courier-at-store:',
  '    by: [courierId, storeId]',
  '    features:',
  '      visits_1h: { window: 1h, as: count }',
]

const TRANSFORM = [
  'topology: order-lines',
  'kind: transform',
  'from: orders',
  'where: event.status == "PAID"',
  'flatten: event.lines # a record for each; expressions call it item',
  'tables:',
  '  product: { topic: products, key: item.productId }',
  'let: { total: item.cents * item.count }',
  'keep: [orderId, paidAt]',
  'map: { product: product.name, total: total }',
  'key: item.productId',
  'to:',
  '  - order-lines',
  '  - { topic: large-lines, when: total > 100000 }',
]

async function sections(
  folders: readonly (readonly [PartFolder, (name: string) => string])[],
  level: string,
): Promise<string[]> {
  const lines: string[] = []
  for (const [folder, title] of folders)
    for (const name of partNames(folder)) {
      const { summary, config, example, notes } = await loadPart<unknown, unknown>(folder, name)
      const settings = settingsTable(config)
      lines.push(`${level} ${title(name)}`, '', summary, '', '```yaml', example.trim(), '```', '')
      if (settings.length > 0) lines.push(...settings, '')
      if (notes) lines.push(notes.trim(), '')
    }
  return lines
}

function page(title: string, ...lines: string[]): string {
  return `${MADE}\n# ${title}\n\n${lines.join('\n').trimEnd()}\n`
}

if (import.meta.main) for (const [name, text] of await pages()) await writeFile(join(import.meta.dirname, name), text)
