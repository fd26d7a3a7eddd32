import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import { EmbeddedDeployment } from './embedded.ts'
import { EVENTS, STORES } from './world.ts'

const PATIENCE = { timeout: 600_000 }

describe('W1 on one machine equals the oracle', () => {
  test('with one worker that is left alone', PATIENCE, async () => {
    const deployment = await EmbeddedDeployment.create(STORES)
    await deployment.produce(100_000)
    await deployment.expectExact()
  })

  test(`${EVENTS} events, with kill -9 at ten random moments`, PATIENCE, async () => {
    const deployment = await EmbeddedDeployment.create(STORES)
    await deployment.produce(EVENTS)
    const random = seeded(Number(process.env.W1_SEED ?? 11))
    for (let kill = 0; kill < 10; kill++) {
      await deployment.startWorker()
      await sleep(random() * 1_000 * (1 + EVENTS / 1_000_000))
      await deployment.killWorker()
    }
    await deployment.expectExact()
  })
})
