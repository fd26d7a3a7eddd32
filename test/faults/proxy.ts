/** A TCP proxy that a test makes slow, narrow, or cuts. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Weather {
  /** Added to each piece of data, each way, in ms. */
  readonly latency?: number
  /** Bytes per second, each way and connection. */
  readonly bandwidth?: number
}

export class TcpProxy {
  weather: Weather = {}
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private isOpen = true

  private constructor(server: Server) {
    this.server = server
  }

  /** From a port of this machine to another; `to` is asked at every connection. */
  static async start(from: number, to: () => number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: false })
    const proxy = new TcpProxy(server)
    server.on('connection', (client) => proxy.join(client, to()))
    server.listen(from, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  private join(client: Socket, port: number): void {
    if (!this.isOpen) return void client.destroy()
    const service = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [client, service],
      [service, client],
    ] as const) {
      this.sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.sockets.delete(socket)
        other.destroy()
      })
      void this.pass(socket, other)
    }
  }

  private async pass(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const data of from) {
        const { latency = 0, bandwidth = Number.POSITIVE_INFINITY } = this.weather
        const pause = latency + ((data as Buffer).length / bandwidth) * 1_000
        if (pause > 0) await sleep(pause)
        if (!to.writable) return
        if (!to.write(data as Buffer)) await once(to, 'drain')
      }
    } catch {
      to.destroy()
    }
  }

  /** Ends all connections in the midst of what they carry. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  /** Cuts, and lets nobody in until `heal`. */
  part(): void {
    this.isOpen = false
    this.cut()
  }

  heal(): void {
    this.isOpen = true
  }

  async close(): Promise<void> {
    this.cut()
    this.server.close()
    await once(this.server, 'close')
  }
}
