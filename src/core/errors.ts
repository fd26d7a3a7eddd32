/**
 * The one table of error codes: what happened and what to do. A code is never used again for another thing;
 * `docs/errors.md` is generated from here.
 */
export const ERRORS = {
  // configuration
  'config-invalid': {
    what: 'A configuration or topology file is wrong.',
    todo: 'Correct the file at the place named; `millrace check` says all faults at once.',
  },
  'part-unknown': { what: 'No part of this name exists.', todo: 'Use one of the names listed.' },
  // records (dead letters)
  'record-malformed': {
    what: 'The bytes are not Avro in Confluent wire format, or do not match the writer schema.',
    todo: 'Look at the original bytes in the dead-letter topic; mend the producer and send the record again.',
  },
  'record-too-large': {
    what: 'The record is larger, deeper or has more items than the configured limit, or what was made of it is larger than its topic takes.',
    todo: 'Raise the limit (of a topic of Kafka: `max.message.bytes`) if the record is legitimate, else mend the producer.',
  },
  'schema-unknown': {
    what: 'The record names a schema id that the registry does not have.',
    todo: 'Register the schema, then replay the dead letter.',
  },
  'schema-unfit': {
    what: 'The writer schema cannot be read as the fields the topologies need.',
    todo: 'Compare the schema with the topology; add a default or an alias.',
  },
  'value-unfit': {
    what: 'A value does not fit the Avro schema that it is to be written with.',
    todo: 'Correct the value of the field named, or the schema.',
  },
  'time-missing': {
    what: 'The event has no usable event time.',
    todo: 'Mend the producer, or declare another `time` for the topic.',
  },
  'time-in-future': {
    what: 'The event time is further after the record timestamp than the allowed skew.',
    todo: "Mend the producer's clock, or raise `engine.skew`.",
  },
  'id-unfit': {
    what: 'The entity id, or an id of a lifecycle, is longer than 1,024 bytes of UTF-8, or holds a NUL character.',
    todo: 'Mend the producer, or name it by another field.',
  },
  'expression-failed': {
    what: 'An expression failed on this event.',
    todo: 'Look at the reason; guard the expression or mend the producer.',
  },
  late: {
    what: 'The event came after what it belongs to (a tumbling window) had closed for good: the features named do not count it.',
    todo: 'Nothing, or give the features a longer `allowance`.',
  },
  'part-failed': {
    what: 'Code of your own part failed on this event.',
    todo: 'Look at the reason and mend the part; raise its `version` when what it remembers means something else then.',
  },
  'part-timeout': {
    what: 'Code of your own part gave no answer within `ownParts.timeout`.',
    todo: 'Look for a loop in the part that need not end, or for much work per event; raise the limit if it is legitimate.',
  },
  'sink-refused': { what: 'A sink can never take this result.', todo: 'Look at the reason given by the sink.' },
  // topics and positions (clear stops)
  'topic-missing': {
    what: 'A topic does not exist.',
    todo: 'Create it with the partitions you want, or correct its name.',
  },
  'topic-mismatch': {
    what: 'A topic has another number of partitions than declared or than its state was made with, or more than can be read.',
    todo: 'Declare the number it has, or use another topic.',
  },
  'topic-recreated': {
    what: 'A topic that is read directly was deleted and made again.',
    todo: 'Run `millrace rebuild` for the topology.',
  },
  'position-lost': {
    what: 'The group or a sink knows how far a task had come, the state does not: the state was lost.',
    todo: 'Restore the state, or run `millrace rebuild` to compute it again from the log.',
  },
  'position-outside-log': {
    what: 'The position to go on from is no longer, or not yet, in the log.',
    todo: 'Run `millrace rebuild` to compute the state again; keep records longer than the longest outage.',
  },
  'frames-missing': {
    what: 'A row that the mapper had written is not in the shuffle topic.',
    todo: 'Run `millrace rebuild`; check replication, min.insync.replicas and unclean leader election.',
  },
  'table-too-large': {
    what: 'The tables that transforms look values up in have more bytes than a worker may hold.',
    todo: 'Raise `engine.tableBytes` and give the workers that memory, or look up in a smaller topic.',
  },
  'definition-older': {
    what: 'The state was written by a later definition of this topology than this worker holds.',
    todo: 'Deploy the later definition here too. To go back to the earlier one, declare it anew.',
  },
  'state-unreadable': {
    what: 'Bytes in the state store, or a frame in a shuffle topic, cannot be read.',
    todo: 'If a newer version of Millrace wrote them, run that; else restore the state, or run `millrace rebuild`.',
  },
  // services
  fenced: { what: 'Another worker has taken this task over.', todo: 'Nothing: the task goes on there.' },
  'transport-failed': {
    what: 'The log could not be read or written.',
    todo: 'Look at the broker, or at the folder of an embedded log (its rights, its disk); what runs tries again.',
  },
  'registry-failed': {
    what: 'The schema registry could not be reached or answered with an error.',
    todo: 'Look at the registry; Millrace tries again.',
  },
  'schema-incompatible': {
    what: 'The registry refused a schema as incompatible with the subject.',
    todo: 'Use another output topic or relax the compatibility of the subject.',
  },
  'store-failed': {
    what: 'The state or feature store could not be read or written.',
    todo: 'Look at the store, or at the folder of an embedded one (its rights, its disk); what runs tries again.',
  },
  'disk-full': { what: 'No room is left on the device.', todo: 'Free room, then start again: nothing was lost.' },
  'log-corrupt': {
    what: 'A segment of the embedded log is damaged before its end.',
    todo: 'Restore the file from a copy; a torn end alone is mended by itself.',
  },
  'already-running': {
    what: 'Another process holds the embedded data directory.',
    todo: 'Stop it, or use another directory.',
  },
  'port-unavailable': {
    what: 'The HTTP port is taken or may not be opened.',
    todo: 'Stop the other program, or choose another port by `--port` or `http.port`; 0 takes a free one.',
  },
  'replay-unreadable': {
    what: 'The file to replay cannot be read.',
    todo: 'Check its path and rights; a `.gz` file must be whole.',
  },
} as const satisfies Record<string, { what: string; todo: string }>

/** Codes of the table, such as `config-invalid`. Never reused for something else. */
export type ErrorCode = keyof typeof ERRORS

/** Every error that Millrace raises by intention. The message says what was found. */
export class MillraceError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'MillraceError'
    this.code = code
  }

  /** What to do about it. */
  get todo(): string {
    return ERRORS[this.code].todo
  }
}

/** What was thrown says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The error, where it is of that class. Throws it on where it is another: a fault of the program is never taken for one of its input. */
export function only<E extends Error>(kind: new (...given: never[]) => E, error: unknown): E {
  if (error instanceof kind) return error
  throw error
}

/** This record can never be processed: it goes to the dead letters, and the rest of its batch goes on. */
export class RecordError extends MillraceError {
  override readonly name = 'RecordError'
}

/** The task cannot go on without somebody's decision: it stops and says so; others go on. */
export class ClearStop extends MillraceError {
  override readonly name = 'ClearStop'
}

/** Another owner has the task: what was cached is worthless here. */
export class Fenced extends MillraceError {
  override readonly name = 'Fenced'

  constructor(message = 'another worker has taken this task over') {
    super('fenced', message)
  }
}
