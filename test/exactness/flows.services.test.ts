import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { differences, type RunningWorker } from '../../bench/w1.ts'
import { checkProject } from '../../src/project/check.ts'
import { describeWith } from '../services/index.ts'
import { Deployment, EVENTS, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 900_000 }
const POLL = { timeout: 300_000, interval: 1_000 }
const place = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS
const STORES = 1_000

/** Topology files of a deployment, edited while it runs. Each computes what `w1` does, for an entity of its own. */
class Files {
  private readonly deployment: Deployment

  constructor(deployment: Deployment) {
    this.deployment = deployment
  }

  private path(name: string): string {
    return join(this.deployment.directory, `topologies/${name}.yaml`)
  }

  async write(name: string, change = (yaml: string) => yaml): Promise<void> {
    const yaml = await readFile(this.path('store-load'), 'utf8')
    const named = yaml.replace('topology: w1', `topology: ${name}`).replace('entity: store', `entity: ${name}`)
    await writeFile(this.path(name), change(named))
  }

  remove(name: string): Promise<void> {
    return rm(this.path(name))
  }

  async namespace(name: string): Promise<string> {
    const { project } = await checkProject(this.deployment.directory)
    return `${name}@${project?.topologies.find((topology) => topology.name === name)?.generation}`
  }
}

/** Waits until every worker has said it since `from`, by its lines then. */
async function allSay(workers: readonly RunningWorker[], pattern: RegExp): Promise<void> {
  const said = ({ output }: RunningWorker) => output.some((line) => pattern.test(line))
  await expect.poll(() => workers.every(said), { timeout: 60_000 }).toBe(true)
  for (const { output } of workers) output.length = 0
}

describeWith(['kafka', 'registry', 'redis'], 'on Kafka, registry and Redis, under load', (services) => {
  /** Two workers, and events that keep coming until the answered function is called. */
  async function running() {
    const { deployment, transport, schemaId } = await Deployment.onServers(services, { stores: STORES })
    const files = new Files(deployment)
    let hurry = false
    const count = Math.min(EVENTS, 200_000)
    const producing = deployment.produce({
      transport,
      schemaId,
      count,
      partitionOf: place,
      before: (n) => (n % 1_000 === 0 && !hurry ? sleep(150) : undefined),
    })
    await deployment.startWorker()
    await deployment.startWorker()
    const produced = async () => {
      hurry = true
      await producing
    }
    const exact = async (name: string) => {
      const namespace = await files.namespace(name)
      const found = async () => (await differences(deployment.store, namespace, deployment.oracle)).slice(0, 5)
      await expect.poll(found, POLL).toEqual([])
    }
    return { deployment, files, produced, exact }
  }

  test('topologies that come, change and go, while a worker is killed, leave every value exact', PATIENCE, async () => {
    const { deployment, files, produced, exact } = await running()
    const { workers } = deployment
    await files.write('second')
    await allSay(workers, /"topology":"second".*"msg":"added"/)
    await sleep(2_000)
    await files.write('second', (yaml) => yaml.replace('by: storeId', 'by: storeId\nwhere: event.storeId != ""'))
    await allSay(workers, /"topology":"second".*"msg":"changed"/)
    await files.write('third')
    await allSay(workers, /"topology":"third".*"msg":"added"/)
    await deployment.killWorker(workers[0] as RunningWorker)
    await deployment.startWorker()
    await files.write('third', (yaml) => `${yaml}description: changed within its generation\n`)
    await allSay(workers, /"topology":"third".*"msg":"changed"/)
    await files.remove('second')
    await allSay(workers, /"topology":"second".*"msg":"removed/)
    await sleep(1_000)
    await produced()
    await exact('w1')
    await exact('third')
    await files.write('second', (yaml) => yaml.replace('by: storeId', 'by: storeId\nwhere: event.storeId != ""'))
    await allSay(workers, /"topology":"second".*"msg":"added"/)
    await exact('second')
    for (const worker of [...workers]) await deployment.stopWorker(worker)
  })

  test(
    'one that cannot write its frames stops and holds up none of its neighbours, and catches up from a start on when it can',
    PATIENCE,
    async () => {
      const { Kafka, logLevel } = await import('kafkajs')
      const admin = new Kafka({ brokers: [...services.kafka.brokers], logLevel: logLevel.NOTHING }).admin()
      await admin.connect()
      const { deployment, files, produced, exact } = await running()
      await files.write('stuck')
      const shuffle = `${deployment.name}.${(await files.namespace('stuck')).replace('@', '.')}.shuffle`
      await files.remove('stuck')
      const limit = (value: string) => [{ name: 'max.message.bytes', value }]
      await admin.createTopics({
        topics: [{ topic: shuffle, numPartitions: PARTITIONS, replicationFactor: 1, configEntries: limit('60') }],
      })
      await files.write('stuck')
      await allSay(deployment.workers, /"topology":"stuck".*"msg":"added"/)
      await produced()
      await exact('w1')
      const [worker] = deployment.workers as [RunningWorker]
      expect((await fetch(`${worker.url}/health/ready`)).status).toBe(503)
      expect(
        (await deployment.store.read(await files.namespace('stuck'), deployment.oracle.ids)).filter(Boolean),
      ).toEqual([])
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: shuffle, configEntries: limit(String(8 << 20)) }],
      })
      for (const worker of [...deployment.workers]) await deployment.stopWorker(worker)
      await deployment.startWorker()
      await exact('stuck')
      await admin.disconnect()
      for (const worker of [...deployment.workers]) await deployment.stopWorker(worker)
    },
  )
})
