/**
 * What every transport must hold to: the same suite runs on the embedded log and on real brokers. For a
 * transport of your own, call `transportSuite` from a vitest file. It makes topics and groups with unique
 * names, so it may run against a broker that others use.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { Fixture, type TransportUnderTest } from './transport/fixture.ts'
import { groups } from './transport/groups.ts'
import { reading } from './transport/reading.ts'
import { PATIENCE_MS } from './transport/recorder.ts'
import { writing } from './transport/writing.ts'

export type { TransportUnderTest } from './transport/fixture.ts'

/** What the suite of a transport needs. */
export interface TransportSuite {
  readonly name: string
  /** Called once, before the first test. */
  open(): Promise<TransportUnderTest>
}

/** Declares the suite; call it at the top of a vitest file. */
export function transportSuite({ name, open }: TransportSuite): void {
  describe(`${name}: a transport`, { timeout: PATIENCE_MS * 2 }, () => {
    const fixture = new Fixture()
    beforeAll(async () => {
      fixture.subject = await open()
    }, PATIENCE_MS)
    afterAll(() => fixture.subject.close(), PATIENCE_MS)
    writing(fixture)
    reading(fixture)
    groups(fixture)
  })
}
