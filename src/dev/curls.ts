/** Commands to try, that work as they are printed. */

/** Reads one entity, reads two at once, asks for health and metrics. For a POSIX shell. */
export function sampleCurls(baseUrl: string, entity: string, ids: readonly [string, ...string[]]): string[] {
  const path = `${baseUrl}/v1/features/${encodeURIComponent(entity)}`
  return [
    `curl -s ${quoted(`${path}/${encodeURIComponent(ids[0])}`)}`,
    `curl -s -H 'content-type: application/json' -d ${quoted(JSON.stringify({ ids }))} ${quoted(path)}`,
    `curl -s -w '\\n' ${quoted(`${baseUrl}/health/ready`)} ${quoted(`${baseUrl}/metrics`)}`,
  ]
}

/** The text as one word of the shell. */
function quoted(text: string): string {
  return /^[\w.:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
