/**
 * The same services as containers, where a Docker engine answers. It could not be run where it was written: there was
 * no Docker engine. It is kept small for that reason.
 */
import { existsSync } from 'node:fs'
import { get, type RequestOptions } from 'node:http'
import { freePort, type Service, untilAnswers } from './recipe.ts'

const SOCKET = '/var/run/docker.sock'

/** Asks the engine itself, in milliseconds; loading testcontainers to find that out would cost every run. */
export async function dockerAnswers(): Promise<boolean> {
  const engine = engineAddress()
  if (!engine) return false
  return new Promise((resolve) => {
    const request = get({ ...engine, path: '/_ping', timeout: 500 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}

function engineAddress(): RequestOptions | undefined {
  const host = process.env.DOCKER_HOST
  if (host?.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  if (host) {
    const { hostname, port } = new URL(host.replace(/^tcp:/, 'http:'))
    return { hostname, port }
  }
  return existsSync(SOCKET) ? { socketPath: SOCKET } : undefined
}

export interface Image {
  readonly name: string
  readonly port: number
  readonly env?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly answers: () => Promise<void>
}

/** `image` is asked with the port of this machine that leads to it; a fixed one, so that a restart keeps the address. */
export async function runContainer(image: (port: number) => Image): Promise<Service & { readonly port: number }> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers')
  const port = await freePort()
  const { name, port: inside, env, command, answers } = image(port)
  const container = await new GenericContainer(name)
    .withExposedPorts({ container: inside, host: port })
    .withEnvironment({ ...env })
    .withCommand([...(command ?? [])])
    .start()
  await untilAnswers(answers)
  return {
    port,
    pid: undefined,
    async kill9() {
      const client = await getContainerRuntimeClient()
      await client.container.getById(container.getId()).kill()
    },
    async restart() {
      await container.restart()
      await untilAnswers(answers)
    },
    async stop() {
      await container.stop()
    },
  }
}
