import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import { orderNumber } from '../../bench/w1.ts'
import { describeWith } from '../services/index.ts'
import { Deployment, EVENTS, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 900_000 }

describeWith(
  ['kafka', 'registry', 'redis'],
  `${EVENTS} events of W1 on Kafka, registry and Redis equal the oracle`,
  (services) => {
    const place = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS

    test('with one worker', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services)
      await deployment.produce({ transport, schemaId, partitionOf: place })
      await deployment.startWorker()
      await deployment.expectExact()
      for (const worker of [...deployment.workers]) await deployment.stopWorker(worker)
    })

    test('with three workers', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services)
      await Promise.all([deployment.startWorker(), deployment.startWorker(), deployment.startWorker()])
      await deployment.produce({ transport, schemaId, partitionOf: place })
      await deployment.expectExact()
    })

    test('with workers that join and leave meanwhile', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services)
      await deployment.startWorker()
      let producing = true
      const churn = async () => {
        while (producing) {
          const worker = await deployment.startWorker()
          await sleep(3_000)
          await deployment.stopWorker(worker)
          await sleep(1_000)
        }
      }
      const churning = churn()
      await deployment.produce({ transport, schemaId, partitionOf: place })
      producing = false
      await churning
      await deployment.expectExact()
    })

    test('with the source topic grown from 8 to 12 partitions midway', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services)
      await deployment.startWorker()
      let partitions = PARTITIONS
      const { Kafka, logLevel } = await import('kafkajs')
      const grow = async () => {
        const admin = new Kafka({ brokers: [...services.kafka.brokers], logLevel: logLevel.NOTHING }).admin()
        await admin.connect()
        await admin.createPartitions({ topicPartitions: [{ topic: deployment.name, count: 12 }] })
        await admin.disconnect()
        for (;;) {
          if ((await transport.topics([deployment.name])).get(deployment.name)?.partitions === 12) break
          await sleep(100)
        }
        partitions = 12
      }
      await deployment.produce({
        transport,
        schemaId,
        partitionOf: (event) => orderNumber(event) % partitions,
        before: (n) => (n === Math.floor(EVENTS / 2) ? grow() : undefined),
      })
      await deployment.expectExact()
    })

    test('with kill -9 of workers at ten random moments', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services)
      const random = seeded(Number(process.env.W1_SEED ?? 7))
      for (let i = 0; i < 3; i++) await deployment.startWorker()
      const producing = deployment.produce({ transport, schemaId, partitionOf: place })
      for (let kill = 0; kill < 10; kill++) {
        await sleep(500 + random() * 3_000)
        const victim = deployment.workers[Math.floor(random() * deployment.workers.length)]
        if (victim) await deployment.killWorker(victim)
        await deployment.startWorker()
      }
      await producing
      await deployment.expectExact()
    })
  },
)
