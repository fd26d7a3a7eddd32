/** One link of a hash chain: a loss, a repeat or another order of values gives another number. Exact in doubles. */
export const fold = (hash: number, value: number): number => (hash * 1_000_003 + value + 1) % 67_108_859
