import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { calledBy, callersFolder } from '../../src/commands/npm.ts'

const CLONE = join(import.meta.dirname, '../..')
const CALLED = { INIT_CWD: tmpdir(), npm_package_json: join(CLONE, 'package.json'), npm_lifecycle_event: 'millrace' }

describe('called by a script of a clone', () => {
  it('paths are relative to the folder that npm was called in', () => {
    expect(callersFolder(CALLED, CLONE)).toBe(tmpdir())
  })

  it.each([
    ['another script of the clone, such as its tests', { npm_lifecycle_event: 'test' }, CLONE],
    ['a script of another package', { npm_package_json: '/elsewhere/package.json' }, CLONE],
    ['a script that went to a folder of its own', {}, tmpdir()],
    ['a folder that is gone', { INIT_CWD: '/gone/from/here' }, CLONE],
    ['no npm at all', { INIT_CWD: undefined, npm_package_json: undefined, npm_lifecycle_event: undefined }, CLONE],
  ])('leaves them to the working directory in %s', (_, change, workingDirectory) => {
    expect(callersFolder({ ...CALLED, ...change }, workingDirectory)).toBeUndefined()
  })

  it('commands that it names are called in the same way', () => {
    expect(calledBy(CALLED)).toBe('npm run -s millrace --')
    expect(calledBy({})).toBe('millrace')
  })
})
