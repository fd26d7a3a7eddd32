import type { Transport } from '../../../src/core/model.ts'
import type { Log } from '../../../src/core/part.ts'
import kafka from '../../../src/transports/kafka/index.ts'

/** Collects what is said, so that a test can look at it. */
export class Said implements Log {
  readonly lines: string[] = []
  debug = (fields: object, message: string) => this.keep('debug', fields, message)
  info = (fields: object, message: string) => this.keep('info', fields, message)
  warn = (fields: object, message: string) => this.keep('warn', fields, message)
  error = (fields: object, message: string) => this.keep('error', fields, message)

  private keep(level: string, fields: object, message: string): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  }
}

/** A transport with quick settings. */
export async function openKafka(
  brokers: readonly string[],
  settings: object = {},
  log: Log = new Said(),
): Promise<Transport> {
  const config = kafka.config.parse({
    brokers,
    sessionTimeout: '6s',
    heartbeat: '200ms',
    refresh: '500ms',
    ...settings,
  })
  return kafka.open(config, { directory: '.', deployment: 'test', log })
}
