import fc from 'fast-check'
import { expect, it } from 'vitest'
import { directoryForTest, openLog, readAll } from './fixture.ts'

it('finds positions and times as a look at every record would, before and after it is opened again', async () => {
  const times = fc.array(fc.integer({ min: 1000, max: 1030 }), { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(times, async (stamps) => {
      const directory = await directoryForTest()
      // About 20 KB a record: the index has a point for every few, and a file ends after ten.
      const settings = { segmentBytes: 200_000, fsync: 'never' }
      const written = await openLog(directory, settings)
      await written.create({ name: 't', partitions: 1, retentionMs: -1 })
      for (const timestamp of stamps)
        await written.write([{ topic: 't', key: null, value: Buffer.alloc(20_000), timestamp }])
      const check = async (transport: typeof written) => {
        for (let time = 999; time <= 1031; time++) {
          const first = stamps.findIndex((stamp) => stamp >= time)
          expect(await transport.positionAt({ topic: 't', partition: 0 }, time)).toBe(
            first === -1 ? stamps.length : first,
          )
        }
        for (const from of [0, stamps.length >> 1, stamps.length - 1])
          expect((await readAll(transport, 't', from)).map((record) => record.timestamp)).toEqual(stamps.slice(from))
      }
      await check(written)
      await written.close()
      const again = await openLog(directory, settings)
      await check(again)
      await again.close()
    }),
    { numRuns: 15 },
  )
})
