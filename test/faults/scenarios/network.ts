/** The workers reach broker and Redis through a bad network: slow, narrow, cut in the midst of calls, parted for a while. */
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../../bench/orders.ts'
import { start as startKafka } from '../../services/kafka.ts'
import { freePort } from '../../services/recipe.ts'
import { TcpProxy } from '../proxy.ts'
import type { Scenario } from '../scenario.ts'

/** A second way into the broker, whose clients are told to come back through the proxy. */
function listeners(port: number, direct: number, controller: number, proxied: number) {
  return {
    listeners: `PLAINTEXT://127.0.0.1:${port},PROXIED://127.0.0.1:${direct},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},PROXIED://127.0.0.1:${proxied}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  }
}

const scenario: Scenario = {
  summary: 'latency, a narrow line, cut connections and partitions of the network',
  async run({ addresses, lab: create, onEnd, seed, times = 6, say }) {
    const [port, direct, controller, toKafka, toRedis] = await Promise.all(Array.from({ length: 5 }, freePort))
    const ports = [port, direct, controller, toKafka] as [number, number, number, number]
    const kafka = await startKafka({ settings: listeners(...ports), port: ports[0] })
    onEnd(() => kafka.stop())
    const proxies = [
      await TcpProxy.start(toKafka as number, () => direct as number),
      await TcpProxy.start(toRedis as number, () => Number(new URL(addresses.redis.url).port)),
    ] as const
    for (const proxy of proxies) onEnd(() => proxy.close())
    const reached = {
      kafka: { brokers: [`127.0.0.1:${toKafka}`] },
      redis: { url: `redis://127.0.0.1:${toRedis}` },
    }
    const lab = await create({ own: { kafka, redis: addresses.redis }, rate: 200 }, reached)
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilCounted()

    for (const proxy of proxies) proxy.weather = { latency: 40 }
    await sleep(3_000)
    say(`latency of 40 ms: counts after ${Math.round(await lab.untilCounted())} ms`)
    for (const proxy of proxies) proxy.weather = { bandwidth: 200_000 }
    await sleep(3_000)
    say(`200 kB/s: counts after ${Math.round(await lab.untilCounted())} ms`)
    for (const proxy of proxies) proxy.weather = { latency: 3 }

    const random = seeded(seed)
    for (let time = 1; time <= times; time++) {
      await sleep(500 + random() * 1_500)
      const proxy = proxies[time % 2] as TcpProxy
      const isLong = random() < 0.4
      if (isLong) {
        proxy.part()
        await sleep(3_000)
        proxy.heal()
      } else proxy.cut()
      const took = Math.round(await lab.untilCounted())
      say(
        `${time}/${times} ${time % 2 ? 'Redis' : 'broker'} ${isLong ? 'parted for 3 s' : 'cut'}: goes on after ${took} ms`,
      )
    }
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `latency, bandwidth, ${times} cuts and partings; ${lab.counted()}`
  },
}
export default scenario
