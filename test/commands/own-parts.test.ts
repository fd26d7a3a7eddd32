import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { exampleProject, start } from './cli.ts'

const TOPOLOGY = `topology: city-orders
kind: features
entity: city
from: orders
by: city
features:
  dearest_total: { lifetime: true, of: totalCents, as: ./parts/dearest.ts }
`
const part = (empty: string) => `import { type Operator, type Part, z } from 'millrace'
const config = z.strictObject({})
const part: Part<z.output<typeof config>, Operator<{ most: number }, number>> = {
  summary: 'The largest value.', config, example: '',
  open: () => ({
    of: 'required', takes: 'numbers', type: 'double', empty: ${empty},
    create: () => ({ most: Number.NEGATIVE_INFINITY }),
    add: (acc, value) => { acc.most = Math.max(acc.most, value) },
    merge: (into, from) => { into.most = Math.max(into.most, from.most) },
    result: ({ most }) => (Number.isFinite(most) ? most : ${empty}),
    encode: ({ most }, to) => to.double(most),
    decode: (from) => ({ most: from.double() }),
  }),
}
export default part
`

it('a worker runs a part named by its path, and takes up an edit of it; a wrong edit is refused', {
  timeout: 40_000,
}, async () => {
  const folder = exampleProject()
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const edit = (text: string) => writeFileSync(join(folder, 'parts/dearest.ts'), text)
  mkdirSync(join(folder, 'parts'))
  writeFileSync(join(folder, 'topologies/city-orders.yaml'), TOPOLOGY)
  edit(part('null'))
  const run = start('run', '-d', folder, '--port', '0')
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  const value = async () => {
    const { features } = (await (await fetch(`${url}/v1/features/city/Kiel`)).json()) as {
      features: { dearest_total: { value: unknown } }
    }
    return features.dearest_total.value
  }
  expect(await value()).toBe(null)
  edit(part('1'))
  await run.says(
    /topologies\/city-orders\.yaml:7:56: 'empty' of what \.\/parts\/dearest\.ts opens is 1.*"msg":"wrong file/,
  )
  expect(await value()).toBe(null)
  edit(part('0'))
  await run.says(/"topology":"city-orders".*"msg":"changed"/)
  expect(await value()).toBe(0)
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})
