import { z } from 'zod'
import { duration } from '../../core/duration.ts'
import { tlsSettings } from '../../core/tls.ts'

const settings = z.strictObject({
  brokers: z
    .array(z.string().regex(/^[^\s:]+:\d{1,5}$/, 'expected host:port'))
    .min(1)
    .describe('Addresses to start from, `host:port` each; the other brokers are found from there.'),
  clientId: z.string().min(1).default('millrace').describe('Name shown by the brokers for these connections.'),
  tls: tlsSettings,
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).describe('How the password is proven.'),
      username: z.string().min(1).describe('User name.'),
      password: z.string().min(1).describe('Password. Never logged.'),
    })
    .optional()
    .describe('Who we are to the brokers; without it, whom the client certificate names, or nobody.'),
  sessionTimeout: duration.default(10_000).describe('A silent member loses its partitions after this time.'),
  heartbeat: duration
    .default(500)
    .describe('Time between signs of life to the group. A rebalance is noticed that late.'),
  maxBytesPerPartition: z
    .number()
    .int()
    .positive()
    .default(1 << 20)
    .describe('Most bytes of one partition in one fetch; one larger record still comes.'),
  maxWaitTime: duration.default(200).describe('How long a broker holds back an empty answer to a fetch.'),
  refresh: duration.default(5_000).describe('How often to look for new partitions and recreated topics.'),
  replicationFactor: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('Copies of each partition of topics made here. Default: 3, or as many as there are brokers.'),
  minInsyncReplicas: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('Copies that must have a record before it counts as written. Default: 2 of 3 copies, else 1.'),
  connectionTimeout: duration.default(3_000).describe('How long a connection may take to stand.'),
  requestTimeout: duration.default(10_000).describe('How long a broker may take to answer one request.'),
  retryFor: duration.default(5_000).describe('How long a failed request is tried again before the call is rejected.'),
})

export const kafkaConfig = settings.refine(({ heartbeat, sessionTimeout }) => heartbeat < sessionTimeout, {
  path: ['heartbeat'],
  message: 'must be shorter than sessionTimeout',
})

export type KafkaConfig = z.infer<typeof kafkaConfig>
