/** A small project in a folder of its own: stations report readings. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

const SCHEMA = {
  type: 'record',
  name: 'Reading',
  namespace: 'weather',
  fields: [
    { name: 'readingId', type: 'string' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'station', type: { type: 'record', name: 'Station', fields: [{ name: 'id', type: 'string' }] } },
    { name: 'celsius', type: 'double' },
    { name: 'sky', type: { type: 'enum', name: 'Sky', symbols: ['CLEAR', 'CLOUDY'] } },
    { name: 'wind', type: ['null', 'double'], default: null },
    { name: 'sensors', type: { type: 'array', items: 'string' } },
  ],
}

const FILES = {
  'millrace.yaml': 'topics:\n  readings: { time: at, id: readingId }\n',
  'schemas/readings.avsc': JSON.stringify(SCHEMA),
  'topologies/heat.yaml': `topology: heat
kind: features
from: readings
entity: station
by: station.id
features:
  celsius_mean_1h: { window: 1h, of: celsius, as: mean }
  cloudy_1h: { window: 1h, as: count, when: event.sky == "CLOUDY" }
to: [store, { topic: heat }]
`,
}

/** Files by path replace or join the project's own. */
export function weatherProject(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-weather-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [path, text] of Object.entries({ ...FILES, ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}
