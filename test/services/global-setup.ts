/**
 * Gives test files the services they ask for. Each is started at most once in a run and only when the first file asks
 * for it, so a run of tests that need none starts none. Files run in other processes than this one, hence the
 * loopback HTTP server.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { type Answer, type ServiceName, starters } from './catalog.ts'
import { Missing, type Service } from './recipe.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const asked = new Map<ServiceName, Promise<Answer>>()
  const running: Service[] = []

  async function obtain(name: ServiceName): Promise<Answer> {
    try {
      const service = await starters[name]()
      running.push(service)
      return { address: service }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const missing = error instanceof Missing
      console.error(`test services: ${name} ${missing ? 'is missing' : 'does not start'}: ${why}`)
      return missing ? { missing: why } : { broken: why }
    }
  }

  const server = createServer(async (request, response) => {
    const name = request.url?.slice(1) as ServiceName
    if (!asked.has(name)) asked.set(name, obtain(name))
    response.end(JSON.stringify(await asked.get(name)))
  })
  // the first start may download for minutes; the asker waits
  server.requestTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('services', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)

  return async () => {
    server.close()
    server.closeAllConnections()
    await Promise.all(asked.values())
    await Promise.all(running.map((service) => service.stop()))
  }
}
