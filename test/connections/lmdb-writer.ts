/** Writes ten keys at a time into the environment named, and tells its parent each time they are on the disk. */
import * as lmdb from 'lmdb'
import { openLmdb } from '../../src/connections/lmdb.ts'

const environment = await openLmdb(lmdb, process.argv[2] as string)
process.send?.(0)
for (let count = 1; ; count++) {
  await environment.write((entries) => {
    for (let i = 0; i < 10; i++) entries.putSync(Buffer.from(`${count}/${i}`), Buffer.alloc(450))
  })
  process.send?.(count)
}
