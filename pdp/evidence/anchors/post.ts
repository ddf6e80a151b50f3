export type Answer = { readonly status: number; readonly type: string; readonly text: string }

export type PostOptions = {
  readonly token?: (() => Promise<string>) | undefined
  readonly signal: AbortSignal
  readonly timeout_ms?: number
}

const MOST_ANSWER_BYTES = 64 * 1024

/**
 * HTTP POST of text/plain. Follows no redirect: what is sent to one host, a token say, is not for another.
 * Rejects when nothing answers in time, or with more than 64 KiB.
 */
export async function post(
  url: URL,
  body: string,
  { token, signal, timeout_ms = 10_000 }: PostOptions,
): Promise<Answer> {
  const headers = new Headers({ 'content-type': 'text/plain; charset=utf-8' })
  if (token) headers.set('authorization', `Bearer ${await token()}`)
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout_ms)]),
  })
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > MOST_ANSWER_BYTES) throw new Error(`${url.host} answers with more than 64 KiB`)
    parts.push(part)
  }
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text: Buffer.concat(parts).toString(),
  }
}
