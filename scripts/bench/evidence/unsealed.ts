import { parseArgs } from 'node:util'
import { Packr } from 'msgpackr'
import type { JournalRecord } from '../../../pdp/contract/record.ts'
import type { Sealer } from '../../../sealing/sealer.ts'
import { stepOf } from '../../../sealing/step.ts'
import { startCountersign } from '../../start/start.ts'
import { tidyMemory } from '../../start/tidy-memory.ts'

/**
 * `countersign start` whose journal seals nothing: what stands in place of sealed bytes is the record itself. A
 * measurement of what sealing costs, and nothing else: bodies lie open on the disk.
 */

const packr = new Packr({ useRecords: false, variableMapSize: true })
const NO_KEY = '0'.repeat(32)
const NO_COMMITMENT = '0'.repeat(64)

const passThrough: Sealer = {
  seal: (record: JournalRecord) => ({
    record: {
      v: 2,
      step: stepOf(record),
      ...(record.kind !== 'event' && {
        content: {
          key: NO_KEY,
          sealed: packr.pack(record),
          commitment: NO_COMMITMENT,
          blocks: [],
        },
      }),
    },
  }),
  forget: () => undefined,
}

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    config: { type: 'string', default: '' },
    folder: { type: 'string', default: '' },
    json: { type: 'boolean' },
    'issuer-port': { type: 'string', default: '0' },
  },
})
const running = await startCountersign({
  config: values.config,
  folder: values.folder,
  env: process.env,
  log: (level, event) => {
    if (level === 'error') console.error(event)
  },
  ports: { issuer: Number(values['issuer-port']) },
  dangerous_sealer: passThrough,
})
tidyMemory()
console.log(JSON.stringify({ urls: running.urls, token: await running.agentToken() }))
process.once('SIGTERM', () => void running.close())
