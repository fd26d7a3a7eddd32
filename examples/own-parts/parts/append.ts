/** A sink of one's own: appends every result to a file, one JSON object a line. */
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Part, type Sink, type SinkContext, z } from 'millrace'

const config = z.strictObject({ file: z.string().describe('File to append to, from the project directory.') })
type Config = z.output<typeof config>

const part: Part<Config, (context: SinkContext) => Promise<Sink>> = {
  summary: 'Appends every result to a file, one JSON object a line.',
  config,
  example: 'to: [{ ./parts/append.ts: { file: results.ndjson } }]',
  notes: 'At least once: after a crash, lines of the last moments may stand twice, with the same `cause` and `key`.',
  open:
    ({ file }, { directory }) =>
    async ({ features }) => {
      const lines: FileHandle = await open(resolve(directory, file), 'a')
      return {
        write: async ({ emissions, upto }) => {
          const text = emissions.map(({ key, at, values, cause }) => {
            const named = values && Object.fromEntries(features.map((name, i) => [name, values[i]]))
            return `${JSON.stringify({ key, at, cause, values: named })}\n`
          })
          await lines.appendFile(text.join(''))
          await lines.datasync()
          return { safe: upto }
        },
        close: () => lines.close(),
      }
    },
}
export default part
