import fc from 'fast-check'
import { expect, it } from 'vitest'
import { linesOf } from '../../src/dev/lines.ts'

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    yield bytes.subarray(at, at + size)
    at += size
  }
}

it('splits the same way wherever the chunks end', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'ü', '€', '😀', ' '), maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      async (lines, sizes) => {
        const found: (string | undefined)[] = []
        for await (const some of linesOf(inPieces(Buffer.from(`${lines.join('\n')}\n`), sizes), 1000))
          found.push(...some.map((one) => one.text))
        expect(found).toEqual(lines)
      },
    ),
  )
})

it('passes over a line that is too long and goes on with the next, at the right number', async () => {
  const bytes = Buffer.from(`${'x'.repeat(11)}\n${'y'.repeat(10)}\n`)
  const found = []
  for await (const some of linesOf(inPieces(bytes, [3]), 10)) found.push(...some)
  expect(found).toEqual([
    { number: 1, text: undefined, fault: 'longer than 10 bytes' },
    { number: 2, text: 'y'.repeat(10) },
  ])
})
