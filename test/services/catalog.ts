/** The services there are. Apart from `index.ts`, since vitest cannot be imported where they are started. */
import type { KafkaService } from './kafka.ts'
import type { Service } from './recipe.ts'
import type { RedisService } from './redis.ts'
import type { RegistryService } from './registry.ts'

type Address<S> = Omit<S, keyof Service>

/** Where the services of this run are. All files share them. */
export interface Addresses {
  readonly kafka: Address<KafkaService>
  readonly registry: Address<RegistryService>
  readonly redis: Address<RedisService>
}
export type ServiceName = keyof Addresses

export const starters: { readonly [N in ServiceName]: () => Promise<Service & Addresses[N]> } = {
  kafka: async () => (await import('./kafka.ts')).start(),
  registry: async () => (await import('./registry.ts')).start(),
  redis: async () => (await import('./redis.ts')).start(),
}

/** What the run answers a file that asks for a service. */
export type Answer = { readonly address: object } | { readonly missing: string } | { readonly broken: string }
