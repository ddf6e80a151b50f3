/** What of the API is served. */
export type Route = {
  readonly action:
    | 'anthropic.messages.create'
    | 'anthropic.messages.count_tokens'
    | 'anthropic.models.list'
    | 'anthropic.models.get'
  /** Path and query as they are forwarded. */
  readonly target: string
  /** The model asked about. */
  readonly model?: string
}

/**
 * Finds the route of a request.
 * @param target path and query behind the connection's prefix.
 * @returns `undefined`: not served, whatever the upstream may know there.
 */
export function routeOf(method: string, target: string): Route | undefined {
  const [path = '', ...query] = target.split('?')
  if (query.length > 1) return undefined
  if (method === 'POST' && path === '/v1/messages')
    return { action: 'anthropic.messages.create', target }
  if (method === 'POST' && path === '/v1/messages/count_tokens')
    return { action: 'anthropic.messages.count_tokens', target }
  if (method !== 'GET') return undefined
  if (path === '/v1/models') return { action: 'anthropic.models.list', target }
  const model = /^\/v1\/models\/([A-Za-z0-9][A-Za-z0-9._:@-]{0,127})$/.exec(path)?.[1]
  return model === undefined ? undefined : { action: 'anthropic.models.get', target, model }
}
