/** RFC 9457 problem details, and the two ways an answer leaves the server. */
import type { ServerResponse } from 'node:http'

/** The one table of HTTP problems. A name is never used again for another thing. */
export const PROBLEMS = {
  'token-missing': { status: 401, title: 'A token is needed' },
  'token-invalid': { status: 401, title: 'The token is not taken' },
  'scope-missing': { status: 403, title: 'The token does not open this' },
  'path-unknown': { status: 404, title: 'There is nothing at this path' },
  'entity-unknown': { status: 404, title: 'No such entity' },
  'topology-unknown': { status: 404, title: 'No such topology' },
  'topic-unknown': { status: 404, title: 'No such topic' },
  'feature-unknown': { status: 400, title: 'No such feature' },
  'id-invalid': { status: 400, title: 'The id cannot be read' },
  'parameter-unknown': { status: 400, title: 'No such query parameter' },
  'parameter-invalid': { status: 400, title: 'A query parameter is not what is expected' },
  'request-invalid': { status: 400, title: 'The request cannot be read' },
  'body-invalid': { status: 400, title: 'The body is not what is expected' },
  'method-not-allowed': { status: 405, title: 'The path does not take this method' },
  'request-slow': { status: 408, title: 'The request did not arrive in time' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'media-type-unsupported': { status: 415, title: 'The body is of the wrong type' },
  'expectation-failed': { status: 417, title: 'The expectation cannot be met' },
  'header-too-large': { status: 431, title: 'The header is too large' },
  internal: { status: 500, title: 'The server failed' },
  'store-unavailable': { status: 503, title: 'The feature store does not answer' },
  'watchers-full': { status: 503, title: 'As many watch already as may' },
  'keys-unavailable': { status: 503, title: 'Tokens cannot be verified' },
  'log-unavailable': { status: 503, title: 'The log does not answer' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemName = keyof typeof PROBLEMS

/** Thrown by whatever cannot answer. `detail` says what was found and what to do; it is shown to the caller. */
export class Problem extends Error {
  readonly problem: ProblemName
  /** Further members of the problem document. */
  readonly members: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>

  constructor(
    problem: ProblemName,
    detail: string,
    more: { members?: Readonly<Record<string, unknown>>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail)
    this.name = 'Problem'
    this.problem = problem
    this.members = more.members ?? {}
    this.headers = more.headers ?? {}
  }
}

/** Sends a whole answer with its length; nothing here may be cached. No-op when one has begun. */
export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) return
  const length = Buffer.byteLength(body)
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  // what is ASCII is the same in both, and Node writes it several times as fast
  response.end(body, length === body.length ? 'latin1' : 'utf8')
}

export function sendProblem(response: ServerResponse, problem: Problem): void {
  const { status } = PROBLEMS[problem.problem]
  send(response, status, 'application/problem+json', problemJson(problem), problem.headers)
}

export function problemJson({ problem, message, members }: Problem): string {
  const { status, title } = PROBLEMS[problem]
  return JSON.stringify({ type: `urn:millrace:problem:${problem}`, title, status, detail: message, ...members })
}
