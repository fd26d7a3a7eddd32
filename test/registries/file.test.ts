import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { Registry } from '../../src/core/model.ts'
import type { Log } from '../../src/core/part.ts'
import part from '../../src/registries/file.ts'
import { registrySuite } from '../../src/testing/registry.ts'
import { record, silent } from '../codecs/avro/fixture.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function project(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-file-registry-'))
  folders.push(directory)
  await mkdir(join(directory, 'schemas'))
  return directory
}

const open = async (directory: string, log: Log = silent): Promise<Registry> =>
  part.open(part.config.parse({}), { directory, deployment: 'test', log })

registrySuite({
  name: 'file',
  open: async () => {
    const directory = await project()
    const registry = await open(directory)
    return { registry, another: () => open(directory), close: () => registry.close() }
  },
})

describe('schemas in files', () => {
  let directory: string
  beforeEach(async () => {
    directory = await project()
  })
  const declare = (topic: string, schema: unknown) =>
    writeFile(
      join(directory, 'schemas', `${topic}.avsc`),
      typeof schema === 'string' ? schema : JSON.stringify(schema, undefined, 2),
    )

  const first = record([{ name: 'a', type: 'int' }])
  const second = record([...first.fields, { name: 'b', type: ['null', 'string'], default: null }])

  it('are the newest of their subjects', async () => {
    await declare('orders', first)
    const registry = await open(directory)
    expect(await registry.latest('orders-value')).toMatchObject({ schema: first })
    expect(await registry.latest('orders-key')).toBe(undefined)
  })

  it('keep their id over restarts, other layouts, and the loss of the index', async () => {
    await declare('orders', first)
    const id = (await (await open(directory)).latest('orders-value'))?.id
    await declare('orders', `\n${JSON.stringify({ name: 'R', fields: first.fields, type: 'record' })}`)
    expect((await (await open(directory)).latest('orders-value'))?.id).toBe(id)
    await rm(join(directory, '.millrace'), { recursive: true })
    expect((await (await open(directory)).latest('orders-value'))?.id).toBe(id)
  })

  it('are taken up when they are edited, and what was written before stays readable', async () => {
    await declare('orders', first)
    const registry = await open(directory)
    const before = await registry.latest('orders-value')
    await declare('orders', second)
    const after = await registry.latest('orders-value')
    expect(after).toMatchObject({ schema: second })
    expect(after?.id).not.toBe(before?.id)
    expect(await (await open(directory)).schema(before?.id as number)).toEqual(first)
    await declare('orders', first)
    expect(await registry.latest('orders-value')).toEqual(before)
  })

  it('may break with what was written before, but not unnoticed', async () => {
    const warnings: object[] = []
    await declare('orders', first)
    const registry = await open(directory, {
      ...silent,
      warn: (fields) => void warnings.push(fields),
    })
    await declare('orders', record([{ name: 'c', type: 'string' }]))
    await registry.latest('orders-value')
    expect(warnings).toEqual([{ subject: 'orders-value', reason: expect.stringContaining('c: ') }])
  })

  it('never change by registering, and a differing schema is refused', async () => {
    await declare('orders', first)
    const registry = await open(directory)
    const id = (await registry.latest('orders-value'))?.id
    expect(await registry.register('orders-value', first)).toBe(id)
    await expect(registry.register('orders-value', second)).rejects.toMatchObject({
      code: 'schema-incompatible',
      message: expect.stringContaining('schemas/orders.avsc'),
    })
    await registry.register('features-value', second)
    expect(await readdir(join(directory, 'schemas'))).toEqual(['orders.avsc'])
  })

  it('that are wrong are named', async () => {
    await declare('orders', '{')
    await expect(open(directory)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('schemas/orders.avsc is not JSON'),
    })
    await declare('orders', record([{ name: 'a', type: 'strng' }]))
    await expect(open(directory)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('schemas/orders.avsc is wrong: fields[0].type'),
    })
  })

  it('need not be there at all', async () => {
    await rm(join(directory, 'schemas'), { recursive: true })
    const registry = await open(directory)
    expect(await registry.latest('orders-value')).toBe(undefined)
    expect(existsSync(join(directory, '.millrace'))).toBe(false)
  })

  it('stop at an index that is damaged, and leave it as it is', async () => {
    const index = join(directory, '.millrace', 'registry.json')
    await mkdir(join(directory, '.millrace'))
    for (const damaged of ['{"schemas":', '7', 'null']) {
      await writeFile(index, damaged)
      await declare('orders', first)
      await expect(open(directory)).rejects.toMatchObject({ code: 'registry-failed' })
      expect(await readFile(index, 'utf8')).toBe(damaged)
    }
  })

  it('leave nothing behind but the index, and change it only when something is new', async () => {
    await declare('orders', first)
    const registry = await open(directory)
    const index = join(directory, '.millrace', 'registry.json')
    expect(await readdir(join(directory, '.millrace'))).toEqual(['registry.json'])
    await rm(index)
    await registry.latest('orders-value')
    expect(existsSync(index)).toBe(false)
  })
})
