/** OpenAPI 3.1 of the routes: made of the same definitions that validate. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { PROBLEMS, type ProblemName } from './problem.ts'
import type { Route } from './route.ts'
import { ANSWERS } from './shapes.ts'

type Json = Readonly<Record<string, unknown>>

const PARAMETERS: Readonly<Record<string, string>> = {
  entity: 'What the features are of, such as store.',
  id: 'Which one; percent-encoded UTF-8, at most 1,024 bytes: a slash is %2F.',
  topology: 'Name of a topology, such as store-load.',
  topic: 'Name of a topic, such as orders.',
}

/** Problems that routes may answer which ask for a token. */
const TOKENS: readonly ProblemName[] = ['token-missing', 'token-invalid', 'scope-missing', 'keys-unavailable']

const CHALLENGED: readonly number[] = [401, 403]
const CHALLENGE: Json = {
  'WWW-Authenticate': { description: 'What is missing, as RFC 6750 says it.', schema: { type: 'string' } },
}

/** OpenAPI 3.1 has a scope of such a scheme stand beside its name where it is needed. */
const TOKEN: Json = {
  type: 'http',
  scheme: 'bearer',
  bearerFormat: 'JWT',
  description: 'A JSON Web Token whose `scope` names what the operation needs, among others apart by spaces.',
}

/** Problems that any route may answer. */
const ALWAYS: readonly ProblemName[] = ['request-invalid', 'request-slow', 'header-too-large', 'internal']

/** `secured`: routes ask for tokens. */
export function openApi(routes: readonly Route[], secured: boolean): Json {
  const { version, license } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
    license: string
  }
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    paths[route.path] ??= {}
    ;(paths[route.path] as Record<string, Json>)[route.method] = operationOf(route, secured)
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Millrace',
      version,
      description: 'Features computed from events, live. Every path that takes GET takes HEAD.',
      license: { name: license, identifier: license },
    },
    paths,
    components: {
      ...(secured ? { securitySchemes: { token: TOKEN } } : {}),
      schemas: Object.fromEntries(Object.entries(ANSWERS).map(([name, shape]) => [name, schemaOf(shape, 'output')])),
    },
  }
}

function operationOf(route: Route, secured: boolean): Json {
  const { scope, operation, summary, description, query, body, answers, path } = route
  const asksForToken = secured && scope !== 'none'
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: PARAMETERS[name],
    schema: { type: 'string' },
  }))
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = schemaOf(schema as z.ZodType, 'input')
    const list = rest.type === 'array' ? { style: 'form', explode: false } : {}
    return { name, in: 'query', required: false, description, ...list, schema: rest }
  })
  return {
    operationId: operation,
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...inPath, ...inQuery],
    ...(asksForToken ? { security: [{ token: [scope] }] } : {}),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, type, shape }]) => [
          status,
          { description, content: { [type]: { schema: shape === undefined ? { type: 'string' } : refTo(shape) } } },
        ]),
      ),
      ...problemsOf([...route.problems, ...ALWAYS, ...(asksForToken ? TOKENS : [])], answers),
    },
  }
}

/** By status, each with the names it may have. A status that is also an answer is described there. */
function problemsOf(names: readonly ProblemName[], answers: Route['answers']): Json {
  const byStatus = Map.groupBy(new Set(names), (name) => PROBLEMS[name].status)
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => answers[status] === undefined)
      .map(([status, problems]) => [
        status,
        {
          description: problems.map((name) => `${PROBLEMS[name].title} (\`${name}\`).`).join(' '),
          ...(problems.some((name) => CHALLENGED.includes(PROBLEMS[name].status)) ? { headers: CHALLENGE } : {}),
          content: { 'application/problem+json': { schema: refTo('Problem') } },
        },
      ]),
  )
}

const refTo = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
