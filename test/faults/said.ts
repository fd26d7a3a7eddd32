/** What topologies have said in topics, held against the oracle: nothing missing, nothing under two names, nothing that never was. */
import avro from 'avsc'
import type { InputRecord, Registry, Transport } from '../../src/core/model.ts'
import { LogReader } from './log-reader.ts'
import type { Oracle } from './oracle.ts'

interface Said {
  readonly key: string
  readonly n: number
  readonly count: number
  readonly chain: number
  readonly sum: number
}

export class SaidInTopics {
  private readonly oracle: Oracle
  private readonly registry: Registry
  private readonly types = new Map<number, avro.Type>()
  private readonly readers: Readonly<Record<'made' | 'chain-out' | 'each-out' | 'dead-letters', LogReader>>
  /** Names of records made, and the numbers of the events of each key in the order in which they came first. */
  private readonly made = new Set<string>()
  private readonly order = new Map<string, number[]>()
  /** Bytes by name: whoever says it again says the same. */
  private readonly each = new Map<string, Buffer>()
  private readonly eachCount = new Map<string, number>()
  /** Highest version by key, and what it says. */
  private readonly newest = new Map<string, { readonly version: readonly number[]; readonly said: Said }>()
  private readonly letters = new Map<string, Buffer>()
  private readonly wrong: string[] = []

  constructor(deployment: string, oracle: Oracle, transport: Transport, registry: Registry) {
    this.oracle = oracle
    this.registry = registry
    const reader = (name: string) => new LogReader(transport, `${deployment}-${name}`)
    this.readers = {
      made: reader('made'),
      'chain-out': reader('chain-out'),
      'each-out': reader('each-out'),
      'dead-letters': reader('dead-letters'),
    }
  }

  /** Reads on, and answers all that is wrong; the oracle is up to date, and nothing is under way. `eachNamespace` serves. */
  async differences(eachNamespace: string): Promise<readonly string[]> {
    for await (const record of this.readers.made.more()) await this.takeMade(record)
    for await (const record of this.readers['each-out'].more()) await this.takeEach(record)
    for await (const record of this.readers['chain-out'].more()) await this.takeChain(record)
    for await (const { headers, value } of this.readers['dead-letters'].more())
      this.letters.set(String(headers['millrace-id']), value ?? Buffer.alloc(0))
    return [...this.wrong, ...this.missing(eachNamespace)]
  }

  private async takeMade({ headers, value }: InputRecord): Promise<void> {
    const name = String(headers['millrace-id'])
    if (!value || this.made.has(name)) return
    this.made.add(name)
    const { key, n } = await this.decode(value)
    const order = this.order.get(key)
    if (order) order.push(n)
    else this.order.set(key, [n])
  }

  private async takeEach({ headers, value }: InputRecord): Promise<void> {
    if (!value) return
    const name = String(headers['millrace-id'])
    const before = this.each.get(name)
    if (before) {
      if (!before.equals(value)) this.wrong.push(`each-out: two values under ${name}`)
      return
    }
    this.each.set(name, value)
    const said = await this.decode(value)
    this.holdAgainstChain('each-out', said)
    // what time alone changed is said beside the results of the events
    if (!/@p[^t]*$/.test(name)) return
    // a rebuild says everything again, under names of its own
    const place = `${name.slice(0, name.indexOf('/'))}/${said.key}`
    const count = (this.eachCount.get(place) ?? 0) + 1
    if (said.count !== count) this.wrong.push(`each-out: ${said.key} says ${said.count} events where ${count} follows`)
    this.eachCount.set(place, said.count)
  }

  private async takeChain({ headers, value }: InputRecord): Promise<void> {
    if (!value) return
    const said = await this.decode(value)
    this.holdAgainstChain('chain-out', said)
    const version = String(headers['millrace-version']).split('.').map(Number)
    const known = this.newest.get(said.key)
    if (!known || !isOlder(version, known.version)) this.newest.set(said.key, { version, said })
  }

  private holdAgainstChain(topic: string, { key, count, chain, sum }: Said): void {
    const link = this.oracle.at(key, Number(count))
    if (link?.chain !== chain || link.sum !== sum)
      this.wrong.push(
        `${topic}: ${key} after ${count} events: chain ${chain}, sum ${sum}; ${JSON.stringify(link)} is right`,
      )
  }

  private missing(eachNamespace: string): string[] {
    const { oracle } = this
    const found: string[] = []
    if (this.made.size !== oracle.events) found.push(`made: ${this.made.size} names for ${oracle.events} events`)
    for (const key of oracle.keys) {
      const { count } = oracle.last(key)
      const order = this.order.get(key) ?? []
      const turned = order.findIndex((n, i) => n !== oracle.at(key, i + 1)?.n)
      if (order.length !== count || turned >= 0)
        found.push(`made: ${key} has ${order.length} of ${count}, order breaks at ${turned}`)
      const newest = this.newest.get(key)?.said.count
      if (newest !== count) found.push(`chain-out: the newest of ${key} is after ${newest} of ${count} events`)
      const each = this.eachCount.get(`${eachNamespace}/${key}`)
      if (each !== count) found.push(`each-out: ${key} has ${each} results for ${count} events`)
    }
    const letters = [...this.letters.values()].map((bytes) => bytes.toString('hex')).sort()
    // every topology that reads the topic leaves one
    const wanted = [...oracle.poison.values()].flatMap((bytes) => Array<string>(3).fill(bytes.toString('hex'))).sort()
    if (letters.join() !== wanted.join()) found.push(`dead letters: ${letters.length} names for ${wanted.length}`)
    return found
  }

  private async decode(value: Buffer): Promise<Said> {
    const id = value.readUInt32BE(1)
    let type = this.types.get(id)
    if (!type) {
      type = avro.Type.forSchema((await this.registry.schema(id)) as avro.Schema, { wrapUnions: false })
      this.types.set(id, type)
    }
    return type.fromBuffer(value.subarray(5)) as Said
  }
}

function isOlder(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((part, i) => part !== b[i])
  return at >= 0 && (a[at] as number) < (b[at] as number)
}
