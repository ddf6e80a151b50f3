import { z } from 'zod'
import type { Adapter } from '../../core/adapter.ts'
import { createHttpExtraction } from '../../facts/http.ts'
import { handle } from './handle.ts'
import { refuse } from './refuse.ts'

/** Any HTTP service behind a connection. */
export const http: Adapter = {
  kind: 'http',
  options: {
    /** Most bytes of a request body that is forwarded while it streams. */
    max_stream_bytes: z.int().positive().default(1_073_741_824),
  },
  sessionHeaders: ['x-session-id'],
  open: (options, services) => {
    const parts = {
      ...services,
      extraction: createHttpExtraction(),
      maxStreamBytes: Number(options['max_stream_bytes']),
    }
    return {
      http: { handle: (exchange) => handle(parts, exchange), refuse },
      inspection: {
        inspected: [
          'method, path, query and content type of every request',
          'JSON, form and text bodies of requests, where policy asks for it (inspect_bodies)',
          'JSON and text bodies, headers and trailers of responses, where policy masks',
          'the injected credential in every response of any type',
        ],
        not_inspected: [
          'request headers other than the content type',
          'request bodies where policy does not ask for it; they are recorded as they stream',
          'response bodies that are neither JSON nor text, where policy lists their type',
        ],
      },
    }
  },
}
