/** Who lives in the city: stores, couriers and customers, each with habits of their own. */
import { cumulative, random } from './random.ts'

export interface Store {
  readonly id: string
  readonly city: string
  /** Medians, in seconds. */
  readonly acceptSeconds: number
  readonly prepSeconds: number
  readonly basketCents: number
}

export interface Courier {
  readonly id: string
  /** Median time to accept an offer, in seconds. */
  readonly acceptSeconds: number
  /** Factor on travel times: below 1 is faster. */
  readonly pace: number
}

export interface Customer {
  readonly id: string
  /** Median wait at the door, in seconds. */
  readonly doorSeconds: number
}

export interface People {
  readonly stores: readonly Store[]
  readonly couriers: readonly Courier[]
  readonly customers: readonly Customer[]
  /** Shares of the demand, for `Random.pick`. */
  readonly storeShares: Float64Array
  readonly courierShares: Float64Array
  readonly customerShares: Float64Array
}

const CITIES = ['MADRID', 'LISBON', 'MILAN']

export function settle(seed: number, counts: { stores: number; couriers: number; customers: number }): People {
  const chance = random(`people/${seed}`)
  const each = <T>(count: number, make: (number: number) => T) => Array.from({ length: count }, (_, i) => make(i + 1))
  return {
    stores: each(counts.stores, (number) => ({
      id: `store-${number}`,
      city: CITIES[number % CITIES.length] as string,
      acceptSeconds: chance.logBetween(6, 45),
      prepSeconds: chance.logBetween(240, 900),
      basketCents: chance.logBetween(1200, 3600),
    })),
    couriers: each(counts.couriers, (number) => ({
      id: `courier-${number}`,
      acceptSeconds: chance.logBetween(15, 90),
      pace: chance.between(0.75, 1.3),
    })),
    customers: each(counts.customers, (number) => ({
      id: `customer-${number}`,
      doorSeconds: chance.logBetween(20, 180),
    })),
    // store-1 is always among the busiest, so that what is shown first has something to show
    storeShares: cumulative(each(counts.stores, (number) => (number + 1) ** -0.7 * chance.between(0.8, 1.2))),
    courierShares: cumulative(each(counts.couriers, () => chance.between(0.3, 1))),
    customerShares: cumulative(each(counts.customers, (number) => (number + 10) ** -0.5)),
  }
}
