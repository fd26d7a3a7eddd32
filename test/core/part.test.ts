import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadOwnPart, meantPath, OwnPartFault, requireMethods } from '../../src/core/own-part.ts'
import { asked, configured } from '../../src/core/own-use.ts'
import { loadPart } from '../../src/core/part.ts'
import { readYaml } from '../../src/core/read-yaml.ts'
import { nearestOrBegun } from '../../src/core/suggest.ts'

const directory = mkdtempSync(join(tmpdir(), 'millrace-parts-'))
afterAll(() => rmSync(directory, { recursive: true }))
const RIGHT = `export default { summary: 's', config: { _zod: {}, safeParse: (data) => ({ success: true, data }) }, open: () => 1 }`

/** What is said of a part with this text, and what is expected. */
async function fault(name: string, text: string): Promise<string> {
  writeFileSync(join(directory, name), text)
  const error = await loadOwnPart(directory, `./${name}`).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(OwnPartFault)
  const { message, expected } = error as OwnPartFault
  return `${message}; ${expected}`
}

describe('a part', () => {
  it('that there is not is told with those that there are', async () => {
    await expect(loadPart('operators', 'cuont')).rejects.toThrow(/no 'cuont' in operators; there are count, /)
  })

  it('of one’s own is named by a path, which is guessed where it is not written whole', () => {
    expect(['./a.ts', 'a.ts', './a', 'a'].map(meantPath)).toEqual([undefined, './a.ts', './a.ts', undefined])
  })

  it('of one’s own that cannot be imported says why, and what would be right', async () => {
    expect(await fault('throws.mjs', `throw new TypeError('not today\\nnor tomorrow')`)).toBe(
      './throws.mjs cannot be imported: not today; a module that loads',
    )
    expect(await fault('nothing.mjs', `throw 'a text'`)).toBe(
      './nothing.mjs cannot be imported: a text; a module that loads',
    )
    expect(await fault('file.mjs', `import './missing.mjs'`)).toMatch(
      /cannot be imported: .*missing\.mjs.*; a file that is there$/,
    )
    expect(await fault('package.mjs', `import 'no-such-package'`)).toMatch(
      /; a package that the project has installed$/,
    )
    expect(await fault('syntax.mjs', 'export default {{')).toMatch(
      /^\.\/syntax\.mjs.* cannot be imported: .*; a module that loads$/,
    )
  })

  it('of one’s own that opens nothing is told so', () => {
    expect(() => requireMethods('./a.ts', 'a Sink', null, ['write'])).toThrow('open() of ./a.ts gives null')
    expect(() => requireMethods('./a.ts', 'a Sink', 7, ['write'])).toThrow('open() of ./a.ts gives a number')
    expect(() => requireMethods('./a.ts', 'a Sink', { write: 1 }, ['write'])).toThrow('has no write')
  })

  it('of one’s own takes settings, and what is wrong with what they make is its fault', async () => {
    writeFileSync(join(directory, 'right.mjs'), RIGHT)
    const own = await loadOwnPart(directory, './right.mjs')
    expect(configured(own).parse({ './right.mjs': { a: 1 } })).toEqual({ a: 1 })
    const refusing = configured(own, () => {
      throw new OwnPartFault('too much', 'less')
    })
    expect(refusing.safeParse({ './right.mjs': {} }).error?.issues).toMatchObject([
      { message: 'too much', params: { code: 'bad-part', expected: 'less' } },
    ])
    const broken = configured(own, () => {
      throw new RangeError('a bug')
    })
    expect(() => broken.safeParse({ './right.mjs': {} })).toThrow('a bug')
    expect(asked(own, 'slots()', () => 7)).toBe(7)
    const failing = () => {
      throw new TypeError('no')
    }
    expect(() => asked(own, 'slots()', failing)).toThrow('slots() of ./right.mjs fails: no')
  })
})

describe('a file of the configuration', () => {
  const said = async (name: string) => {
    const read = await readYaml(join(directory, name), name)
    return read?.file.problems.map(({ message }) => message)
  }

  it('is read where there is one, and said to be none where it is something else', async () => {
    writeFileSync(join(directory, 'a.yaml'), 'a: 1')
    mkdirSync(join(directory, 'folder'), { recursive: true })
    symlinkSync('nowhere', join(directory, 'dangling'))
    symlinkSync('circle', join(directory, 'circle'))
    expect(await said('a.yaml')).toEqual([])
    expect(await said('missing.yaml')).toBeUndefined()
    expect(await said('a.yaml/b.yaml')).toBeUndefined()
    expect(await said('folder')).toEqual(['it is a folder'])
    expect(await said('dangling')).toEqual(['it is a link that leads nowhere'])
    expect(await said('circle')).toEqual(['it is a link that leads in a circle'])
    expect(await said('x'.repeat(300))).toEqual(['it cannot be read (ENAMETOOLONG)'])
    symlinkSync('x'.repeat(300), join(directory, 'long'))
    expect(await said('long')).toEqual(['it cannot be read (ENAMETOOLONG)'])
  })
})

it('a name that was begun is meant where it is the only one, and long enough to tell', () => {
  expect(nearestOrBegun('speed', ['speedKmh', 'weightKg'])).toBe('speedKmh')
  expect(nearestOrBegun('speed', ['speedKmhNow', 'speedMphNow'])).toBeUndefined()
  expect(nearestOrBegun('sp', ['speedKmh'])).toBeUndefined()
})
