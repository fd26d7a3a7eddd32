import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects what loading has left, in about 0.1 s. Node keeps the young generation as large as loading made it, some 30 MB that an
 * idle process goes on touching, until it is told that memory matters; under load it grows again at once.
 */
export function shrinkYoung(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: object) => void
  setFlagsFromString('--no-expose-gc')
  collect({ type: 'major', flavor: 'last-resort' })
}
