/** Answers on a connection whose bytes never became a request. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { PROBLEMS, Problem, problemJson } from './problem.ts'

/** For the event `clientError`: says what was wrong where that is still possible, and cuts the connection. */
export function refusal(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = problemOf(error.code)
  const { status } = PROBLEMS[problem.problem]
  const body = problemJson(problem)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

function problemOf(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('header-too-large', 'Send fewer or shorter headers.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem('request-slow', 'Send the header and the body of a request without pauses.')
  return new Problem('request-invalid', 'These bytes are no HTTP/1.1 request.')
}
