/** The parts of `millrace dev`: all on this machine, whatever the project runs on elsewhere. */
import { join } from 'node:path'
import type { Config, PartChoice } from '../../core/config.ts'
import { loadPart, type PartFolder } from '../../core/part.ts'

/** Section of the configuration, its folder, the kind that is on this machine, and where it keeps what. */
const PARTS = [
  ['transport', 'transports', 'embedded', { path: 'log' }],
  ['registry', 'registries', 'file', { index: 'registry.json' }],
  ['state', 'state', 'embedded', { path: 'state' }],
  ['store', 'stores', 'embedded', { path: 'features' }],
] as const

/** Sections whose kind in `millrace.yaml` is another than the one used here. */
export function replacedParts(config: Config): string[] {
  return PARTS.filter(([section, , kind]) => config[section].kind !== kind).map(([section]) => section)
}

/**
 * The configuration with embedded parts; those that it names itself keep their settings. With `folder`, relative to the
 * project's directory, they keep everything in there.
 */
export async function onThisMachine(config: Config, folder?: string): Promise<Config> {
  const choices = PARTS.map(async ([section, parts, kind, files]) => {
    const { settings } = config[section].kind === kind ? config[section] : await usual(parts, kind)
    if (folder === undefined) return [section, { kind, settings }] as const
    const moved = Object.entries(files).map(([key, name]) => [key, join(folder, name)])
    return [section, { kind, settings: { ...(settings as object), ...Object.fromEntries(moved) } }] as const
  })
  return { ...config, ...Object.fromEntries(await Promise.all(choices)) }
}

async function usual(parts: PartFolder, kind: string): Promise<PartChoice> {
  return { kind, settings: (await loadPart(parts, kind)).config.parse({}) }
}
