/**
 * What the pinned kafkajs does wrong, mended in its prototypes. `test/transports/kafka/repairs.test.ts` shows each: a
 * newer version that needs one no more is seen by taking the mend away.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

const internal = createRequire(import.meta.url)
let isDone = false

/** To be called before the first client is made; does its work once. */
export function repairKafkajs(): void {
  if (isDone) return
  isDone = true
  setTimersOnlyForWaiting()
  openOneLineAtATime()
  tellPositionsToWhoCoordinates()
}

interface Queue {
  pending: unknown[]
  scheduleCheckPendingRequests(): void
}

/**
 * After every answer kafkajs sets a timer for requests that wait, with a negative time when none does: a wasted timer
 * each, and on Node 24 a warning each. https://github.com/tulios/kafkajs/issues/1751
 */
function setTimersOnlyForWaiting(): void {
  const { prototype } = internal('kafkajs/src/network/requestQueue') as { prototype: Queue }
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this)
  }
}

/** What kafkajs keeps of the positions of one assignment. */
interface Positions {
  readonly groupId: string
  readonly cluster: { findGroupCoordinator(of: { readonly groupId: string }): Promise<unknown> }
  getCoordinator(): Promise<unknown>
}

/**
 * kafkajs tells positions to the broker that coordinated the group when it was joined. Once another one does, as after a
 * rolling restart, that one refuses them until the group rebalances. Here it is asked for each time, about once a
 * second. https://github.com/tulios/kafkajs/pull/1779
 */
function tellPositionsToWhoCoordinates(): void {
  const { prototype } = internal('kafkajs/src/consumer/offsetManager') as { prototype: Positions }
  prototype.getCoordinator = function () {
    return this.cluster.findGroupCoordinator({ groupId: this.groupId })
  }
}

/** What kafkajs keeps of one line to a broker, over all the sockets it has had. */
export interface Line {
  readonly broker: string
  socket?: Socket | undefined
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<true>
  processData(data: Buffer): void
}

const SIZE_BYTES = 4

/**
 * Requests that find their line down open a socket each, and what all of them bring runs together; half an answer of
 * the line before stands in front of what the next one brings; and what cannot be read is thrown where nobody can
 * catch it, which ends the process. Here a line has one socket, begins with nothing, and is closed by what it cannot
 * read: its requests are rejected, as they are when it breaks. https://github.com/tulios/kafkajs/issues/715
 */
function openOneLineAtATime(): void {
  const { prototype } = internal('kafkajs/src/network/connection') as { prototype: Line }
  const { connect, processData } = prototype
  const opening = new WeakMap<Line, Promise<true>>()

  async function open(line: Line): Promise<true> {
    leave(line.socket)
    Object.assign(line, { socket: undefined, chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES })
    const connected = connect.call(line)
    // a line that closes before it is up, as in a TLS handshake, would never settle kafkajs's promise
    return line.socket ? Promise.race([connected, closing(line.socket, line.broker)]) : connected
  }

  prototype.connect = function () {
    if (this.isConnected()) return Promise.resolve(true)
    const known = opening.get(this)
    if (known) return known
    const opened = open(this).finally(() => opening.delete(this))
    opening.set(this, opened)
    return opened
  }
  prototype.processData = function (data) {
    try {
      processData.call(this, data)
    } catch (cause) {
      this.socket?.destroy(new Error('the broker sent what is not an answer', { cause }))
    }
  }
}

/** Nothing that comes of it is heard any more. */
function leave(socket: Socket | undefined): void {
  if (!socket) return
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event)
  socket.on('error', () => undefined)
  socket.destroy()
}

/** Gives way to kafkajs's own word of why, which comes by the same event. */
function closing(socket: Socket, broker: string): Promise<never> {
  const { KafkaJSConnectionError } = internal('kafkajs') as typeof import('kafkajs')
  const error = new KafkaJSConnectionError('the connection was closed before it was up', { broker })
  return new Promise((_, reject) => socket.once('close', () => setImmediate(reject, error)))
}
