/** What one route takes and answers: validation, OpenAPI and the methods of a path follow from it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { didYouMean, nearest } from '../core/suggest.ts'
import type { Grant, Scope } from './auth.ts'
import { Problem, type ProblemName } from './problem.ts'

export interface Route<Q extends z.ZodObject = z.ZodObject, B extends z.ZodType = z.ZodType> {
  readonly method: 'get' | 'post'
  /** As OpenAPI writes it: `/v1/features/{entity}/{id}`. */
  readonly path: string
  /** Camel case; what generated clients call it. */
  readonly operation: string
  readonly summary: string
  /** What a token must open; `none` asks for no token. */
  readonly scope: Scope | 'none'
  readonly description?: string
  /** Query parameters, of which others are refused; texts, or lists of texts that commas set apart. Without it all are ignored. */
  readonly query?: Q
  /** The body, JSON. */
  readonly body?: B
  /** Statuses that are no problems, with what is then said; the names are those of OpenAPI's components. */
  readonly answers: Readonly<Record<number, RouteAnswer>>
  readonly problems: readonly ProblemName[]
  /** Left out where the server answers before Express: the hot read. */
  readonly handle?: (asked: Asked<z.output<Q>, z.output<B>>) => Promise<void> | void
}

export interface RouteAnswer {
  readonly description: string
  readonly type: string
  /** Name of a shape in `shapes.ts`; without it the answer is text. */
  readonly shape?: string
}

export interface Asked<Q, B> {
  /** Of the path, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Q
  readonly body: B
  readonly grant: Grant
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Ties the types of a route's query and body to its handler. */
export function route<Q extends z.ZodObject, B extends z.ZodType>(definition: Route<Q, B>): Route {
  return definition as unknown as Route
}

/** Reads a query, after its question mark. Throws `parameter-unknown`, `parameter-invalid`. */
export function readQuery<Q extends z.ZodObject>(schema: Q, query: string): z.output<Q> {
  const given: Record<string, unknown> = Object.create(null)
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = Object.hasOwn(schema.shape, name) ? (schema.shape[name] as z.ZodType) : undefined
    if (!parameter) throw unknownParameter(name, Object.keys(schema.shape))
    const before = given[name] as readonly string[] | undefined
    if (isList(parameter)) given[name] = [...(before ?? []), ...value.split(',')]
    else if (before !== undefined) throw new Problem('parameter-invalid', `'${name}' stands twice.`)
    else given[name] = value
  }
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const name = String(issue?.path[0] ?? '')
  const { expected } = (issue as { params?: { expected?: string } } | undefined)?.params ?? {}
  const meaning = (schema.shape[name] as z.ZodType | undefined)?.description
  throw new Problem(
    'parameter-invalid',
    `'${name}': ${issue?.message ?? 'wrong value'}.${expected === undefined ? '' : ` Expected ${expected}.`} ${meaning ?? ''}`.trim(),
  )
}

const isList = (schema: z.ZodType): boolean =>
  schema instanceof z.ZodArray || (schema instanceof z.ZodOptional && schema.unwrap() instanceof z.ZodArray)

function unknownParameter(name: string, known: readonly string[]): Problem {
  const near = nearest(name, known)
  const there = known.length === 0 ? 'This path takes no parameters.' : `There are: ${known.join(', ')}.`
  return new Problem('parameter-unknown', `There is no such parameter here.${didYouMean(near)} ${there}`, {
    members: { ...(near !== undefined && { nearest: near }), parameters: known },
  })
}
