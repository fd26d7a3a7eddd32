/** How a file names a part of one's own, gives it settings, and what is asked of it while a project is checked. */
import { z } from 'zod'
import { messageOf, only } from './errors.ts'
import { guarded } from './guard.ts'
import { keysAt, unknownKey } from './issues.ts'
import { isMapping } from './mapping.ts'
import { isOwnPart, type OwnPart, OwnPartFault } from './own-part.ts'
import type { Path } from './yaml.ts'

/** What a part may take for anything that is asked of it while a project is checked, in ms. */
const PATIENCE = 2_000

/** A part that a file names by its path, and the place where it does. */
export interface Mention {
  readonly path: string
  readonly at: Path
  readonly where?: 'key'
}

/** `./part.ts`, or `{ ./part.ts: { … } }`. */
export function namedBy(written: unknown, at: Path): Mention[] {
  if (typeof written === 'string') return isOwnPart(written) ? [{ path: written, at }] : []
  if (!isMapping(written)) return []
  return Object.keys(written)
    .filter(isOwnPart)
    .map((path) => ({ path, at: [...at, path], where: 'key' as const }))
}

/** Takes `{ ./part.ts: settings }`, or nothing; `opened` throws what is wrong with what the settings make. */
export function configured(own: OwnPart, opened: (settings: unknown) => void = () => undefined): z.ZodType<unknown> {
  return z.strictObject({ [own.path]: z.unknown().optional() }).transform((given, context) => {
    const written = given[own.path]
    const parsed = own.part.config.safeParse(written ?? {})
    if (!parsed.success) {
      for (const issue of parsed.error.issues) context.issues.push(...placed(issue, own, written))
      return z.NEVER
    }
    try {
      opened(parsed.data)
    } catch (error) {
      const { message, expected } = only(OwnPartFault, error)
      const params = { code: 'bad-part', expected }
      context.issues.push({ code: 'custom', message, params, input: written, path: [own.path] })
    }
    return parsed.data
  })
}

/** Unknown keys are told with the keys there are, which the part's schema alone knows. */
function placed(issue: z.core.$ZodIssue, { path, part }: OwnPart, input: unknown): z.core.$ZodRawIssue[] {
  if (issue.code !== 'unrecognized_keys')
    return [{ ...issue, path: [path, ...issue.path], input } as z.core.$ZodRawIssue]
  return issue.keys.map((key) => {
    const { message, ...params } = unknownKey(key, keysAt(part.config, issue.path))
    return { code: 'custom', message, params, input, path: [path, ...issue.path, key] }
  })
}

/** What a part answers at check; whatever goes wrong in it is its fault. */
export function asked<T>(own: OwnPart, what: string, call: () => T): T {
  try {
    return guarded(PATIENCE, call)
  } catch (error) {
    if (error instanceof Error && error.cause instanceof OwnPartFault) throw error.cause
    const message = `${what} of ${own.path} fails: ${messageOf(error)}`
    throw new OwnPartFault(message, 'a part that works', { cause: error })
  }
}
