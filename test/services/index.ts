/**
 * Real services for tests. A file that needs some wraps its tests in `describeWith`; one that kills or flushes a
 * service takes one of its own from `kafka.ts`, `registry.ts` or `redis.ts`.
 */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { describe, inject, test } from 'vitest'
import type { Addresses, Answer, ServiceName } from './catalog.ts'

declare module 'vitest' {
  interface ProvidedContext {
    services: string
  }
}

/**
 * `describe` with the services named. Where one is missing on this machine its tests are skipped, by name and with
 * the reason; with CI=true, or when it is there but does not start, they fail.
 */
export function describeWith<N extends ServiceName>(
  names: readonly N[],
  title: string,
  body: (services: Pick<Addresses, N>) => void | Promise<void>,
): void {
  describe(title, async () => {
    const services: Partial<Addresses> = {}
    for (const name of names) {
      const answer = await obtain(name)
      if ('address' in answer) Object.assign(services, { [name]: answer.address })
      else if ('missing' in answer && process.env.CI !== 'true')
        // skipped aloud: the title says what is missing and why
        return void test.skip(`needs ${name}, which is missing: ${answer.missing}`)
      else
        return void test(`needs ${name}`, () => {
          throw new Error('missing' in answer ? `missing: ${answer.missing}` : `does not start: ${answer.broken}`)
        })
    }
    await body(services as Pick<Addresses, N>)
  })
}

/** A topic, group or key prefix that no other test of this or another run has. Letters, digits and `-`. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}

/** By node:http and not fetch, which gives up after five minutes: a first download may take longer. */
function obtain(name: ServiceName): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(`${inject('services')}/${name}`, async (response) => {
      response.setEncoding('utf8')
      resolve(JSON.parse((await response.toArray()).join('')) as Answer)
    })
    asking.on('error', reject)
    asking.end()
  })
}
