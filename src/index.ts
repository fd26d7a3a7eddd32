/** What programs may import from `millrace`: the vocabulary, the errors, and the way to declare a part. */

export type { ByteReader, ByteWriter } from './core/bytes.ts'
export { ClearStop, ERRORS, type ErrorCode, Fenced, MillraceError, RecordError } from './core/errors.ts'
export type * from './core/model.ts'
export type { Log, Part, PartContext } from './core/part.ts'
export { checkProject, type Project, renderProblems } from './project/check.ts'
