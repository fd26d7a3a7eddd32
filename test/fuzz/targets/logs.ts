import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClearStop } from '../../../src/core/errors.ts'
import type { Draft, InputRecord } from '../../../src/core/model.ts'
import { encodeFrames } from '../../../src/transports/embedded/frame.ts'
import { PartitionLog } from '../../../src/transports/embedded/log.ts'
import { LogReader } from '../../../src/transports/embedded/reader.ts'
import { silent } from '../../codecs/avro/fixture.ts'
import { type Chance, mutated } from '../chance.ts'
import type { Target } from '../target.ts'

const SEED = 77
const SEGMENT_BYTES = 600
const INPUTS = 12
const NOW = 1_700_000_000_000

const target: Target = {
  about:
    'segments of an embedded log with bits flipped, cut, swapped, copied, lost, or followed by bytes made for it: the records as they were written, or a clear stop; only the torn end of the last write is cut',
  slice: 600,
  async open() {
    const root = await mkdtemp(join(tmpdir(), 'millrace-fuzz-log-'))
    return {
      async try(chance, { input, outcome }) {
        const written = await write(chance, join(root, 'good'))
        for (let i = 0; i < INPUTS; i++) {
          const directory = join(root, 'harmed')
          await mkdir(directory)
          for (const name of written.files) await copyFile(join(root, 'good', name), join(directory, name))
          const harm = await harmed(chance, directory, written.files)
          input(() => `${harm.what} of ${written.files}, whose last write begins at ${written.lastAt}`)
          outcome(await readBack(directory, written, harm))
          await rm(directory, { recursive: true })
        }
        await rm(join(root, 'good'), { recursive: true })
      },
      close: () => rm(root, { recursive: true, force: true }),
    }
  },
}
export default target

interface Written {
  readonly records: readonly string[]
  readonly files: readonly string[]
  /** Byte of the last segment at which the last write begins. */
  readonly lastAt: number
}

interface Harm {
  readonly what: string
  readonly file: string
  /** The first byte that is not as it was; undefined where more than bytes of one file changed. */
  readonly at?: number
  /** All that is left of the file is as it was: nobody can tell where it had ended. */
  readonly isCut?: boolean
}

const open = (directory: string) => {
  const warned: string[] = []
  const log = { ...silent, warn: (_: object, message: string) => void warned.push(message) }
  const options = { directory, seed: SEED, segmentBytes: SEGMENT_BYTES, fsync: 'never', log } as const
  return { warned, opened: PartitionLog.open(options) }
}

async function write(chance: Chance, directory: string): Promise<Written> {
  await mkdir(directory)
  const log = await open(directory).opened
  const records: string[] = []
  let lastAt = 0
  for (let left = 4 + chance.int(12); left > 0; left--) {
    const drafts = Array.from({ length: 1 + chance.int(3) }, () => draft(chance))
    const segments = log.segments.length
    const before = log.segments.at(-1)?.size ?? 0
    await log.append(encodeFrames(drafts, NOW))
    lastAt = log.segments.length > segments ? 0 : before
    for (const { key, value, headers } of drafts)
      records.push(
        shown({ position: records.length, timestamp: NOW, key: bytesOf(key), value, headers: headersOf(headers) }),
      )
  }
  await log.close()
  return { records, files: (await readdir(directory)).sort(), lastAt }
}

function draft(chance: Chance): Draft {
  const key = chance.odds(0.2) ? null : chance.text(5)
  // a value that is itself the bytes of a frame must not be taken for one
  const inner = chance.odds(0.1)
    ? encodeFrames([{ topic: 't', key: 'x', value: Buffer.from('y') }], NOW)[0]?.bytes
    : undefined
  const headers = Object.fromEntries(chance.list(2, (i) => [chance.pick(['__proto__x', `h${i}`]), 'v']))
  return { topic: 't', key, value: chance.odds(0.1) ? null : (inner ?? chance.bytes(chance.int(60))), headers }
}

const bytesOf = (part: string | Buffer | null) => (typeof part === 'string' ? Buffer.from(part) : part)
const headersOf = (headers: Draft['headers'] = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, bytesOf(value) as Buffer]))

function shown({ position, timestamp, key, value, headers }: InputRecord): string {
  const named = Object.entries(headers).map(([name, bytes]) => `${name}=${bytes}`)
  return [position, timestamp, key?.toString('hex'), value?.toString('hex'), named].join(' ')
}

async function harmed(chance: Chance, directory: string, files: readonly string[]): Promise<Harm> {
  const file = chance.pick(files)
  const other = chance.pick(files)
  const path = join(directory, file)
  const bytes = await readFile(path)
  const put = async (what: string, changed: Uint8Array): Promise<Harm> => {
    await writeFile(path, changed)
    let at = 0
    while (at < bytes.length && bytes[at] === changed[at]) at++
    const isCut = at === changed.length
    return { what: `${file}: ${what} from byte ${at}: ${Buffer.from(changed).toString('hex')}`, file, at, isCut }
  }
  switch (chance.int(8)) {
    case 0:
    case 1: {
      const at = chance.int(bytes.length)
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ (1 << chance.int(8))
      return put('flipped', flipped)
    }
    case 2:
      return put('cut', bytes.subarray(0, chance.int(bytes.length)))
    case 3:
      return put('mutated', mutated(chance, bytes))
    case 4:
      return put('followed by bytes', Buffer.concat([bytes, chance.bytes(1 + chance.int(50))]))
    case 5: {
      const theirs = await readFile(join(directory, other))
      await writeFile(join(directory, other), bytes)
      await writeFile(path, theirs)
      return { what: `${file} and ${other} swapped`, file }
    }
    case 6:
      await rm(path)
      return { what: `${file} lost`, file }
    default:
      await copyFile(path, join(directory, `${String(chance.int(60)).padStart(13, '0')}.log`))
      return { what: `${file} copied to another base`, file }
  }
}

/** Reads all there is. Answers how it went; throws for what is not promised. */
async function readBack(directory: string, { records, files, lastAt }: Written, harm: Harm): Promise<string> {
  const { warned, opened } = open(directory)
  let log: PartitionLog | undefined
  const found: InputRecord[] = []
  try {
    log = await opened
    const { start, end } = log.range
    const reader = new LogReader(log, start)
    try {
      for (let chunk = await reader.next(); chunk !== 'none'; chunk = await reader.next()) {
        if (chunk === 'outside') throw new Error('its own start is outside of it')
        found.push(...chunk.records)
      }
    } finally {
      await reader.close()
    }
    if (found.length !== end - start) throw new Error(`${found.length} records from ${start} to ${end}`)
  } catch (error) {
    if (!(error instanceof ClearStop) || error.code !== 'log-corrupt') throw error
    asWritten(found, records)
    return 'stopped'
  } finally {
    await log?.close()
  }
  asWritten(found, records)
  const end = (found.at(-1)?.position ?? -1) + 1
  const isLast = harm.file === files.at(-1)
  const lost = end < records.length
  if (harm.at === undefined) return 'read'
  if (lost && !(isLast && (warned.length > 0 || harm.isCut)))
    throw new Error(`records from ${end} on are gone without a word`)
  if (lost && harm.what.includes('flipped') && harm.at < lastAt) throw new Error('what was acknowledged was cut')
  if (!isLast && harm.what.includes('flipped')) throw new Error('a flipped bit was not noticed')
  return lost ? 'cut' : 'read'
}

function asWritten(found: readonly InputRecord[], records: readonly string[]): void {
  for (const [i, record] of found.entries()) {
    if (record.position !== (found[0] as InputRecord).position + i)
      throw new Error(`position ${record.position} at ${i}`)
    if (shown(record) !== records[record.position])
      throw new Error(`it is ${shown(record)}, was ${records[record.position]}`)
  }
}
