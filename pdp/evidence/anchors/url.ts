import { type Anchor, type AnchorParts, createAnchor } from './anchor.ts'
import { post } from './post.ts'

export type UrlAnchorOptions = AnchorParts & {
  readonly name: string
  readonly url: URL
  /** Asked for each delivery, so that a token may change. */
  readonly token?: (() => Promise<string>) | undefined
  readonly every_ms: number
  readonly backoff_ms?: number
}

/** Sends each checkpoint as the body of an HTTP POST; any answer of 2xx is a success. */
export function urlAnchor({ url, token, ...options }: UrlAnchorOptions): Anchor {
  return createAnchor({
    ...options,
    kind: 'url',
    async deliver({ note }, signal) {
      const { status } = await post(url, note, { token, signal })
      if (status < 200 || status > 299) throw new Error(`${url.host} answers ${status}`)
    },
  })
}
