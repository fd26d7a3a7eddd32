/** A clone calls Millrace by scripts of npm, which runs them in the clone's root, wherever it was called. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

type Environment = Readonly<Record<string, string | undefined>>

const OWN_PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url))
const SCRIPTS = ['start', 'millrace']

/**
 * The folder that `npm start` or `npm run millrace` was called in, which paths on the command line are relative to;
 * undefined where the working directory is right as it is. Scripts of other packages keep theirs: paths in them are
 * relative to that package.
 */
export function callersFolder(environment: Environment, workingDirectory: string): string | undefined {
  const { INIT_CWD: folder } = environment
  const wasMoved = isOwnScript(environment) && workingDirectory === dirname(OWN_PACKAGE)
  return wasMoved && folder !== undefined && existsSync(folder) ? folder : undefined
}

/** What stands before a command's name to call it as this process was called. */
export function calledBy(environment: Environment): string {
  return isOwnScript(environment) ? 'npm run -s millrace --' : 'millrace'
}

function isOwnScript({ npm_package_json: file, npm_lifecycle_event: script }: Environment): boolean {
  return file === OWN_PACKAGE && SCRIPTS.includes(script ?? '')
}
