/** Kubernetes probes: is the process worth keeping, and may it be sent work? */
import type { ServerResponse } from 'node:http'
import type { TaskLook } from './inventory.ts'
import { send } from './problem.ts'

export interface PartHealth {
  readonly part: string
  readonly ok: boolean
  /** Why not, for people; never a secret. */
  readonly reason?: string
}

export interface Health {
  /** Every part that work depends on. Answered from memory: it is asked often. */
  ready(): readonly PartHealth[]
  /** False only when a restart would help. */
  live(): boolean
}

export function liveness(health: Health) {
  return ({ response }: { readonly response: ServerResponse }) => {
    const live = health.live()
    send(response, live ? 200 : 503, 'application/json', JSON.stringify({ status: live ? 'live' : 'stuck' }))
  }
}

/** While the server drains it is not ready, so that no new work is sent here. */
export function readiness(health: Health, draining: () => boolean) {
  return ({ response }: { readonly response: ServerResponse }) => {
    const parts = [...health.ready()]
    if (draining()) parts.push({ part: 'api', ok: false, reason: 'shutting down' })
    const ready = parts.every((part) => part.ok)
    const body = JSON.stringify({ status: ready ? 'ready' : 'not ready', parts })
    send(response, ready ? 200 : 503, 'application/json', body)
  }
}

/** A topology is ready when none of its tasks here is blocked or waits for a service. */
export function readyTopologies(tasks: readonly TaskLook[]): PartHealth[] {
  const found = new Map<string, PartHealth>()
  for (const { id, topology, condition, reason } of tasks) {
    const ok = condition === 'running' || condition === 'stopped'
    if (found.has(topology) && (ok || found.get(topology)?.ok === false)) continue
    const why = `${id} is ${condition}${reason ? `: ${reason}` : ''}`
    found.set(topology, ok ? { part: topology, ok } : { part: topology, ok, reason: why })
  }
  return [...found.values()]
}
