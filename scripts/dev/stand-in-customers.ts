import type { ServerResponse } from 'node:http'
import {
  type Received,
  sendJson,
  type StandIn,
  type StandInCredential,
  startStandIn,
} from './stand-in-server.ts'

/*
 * A stand-in for an HTTP API, on loopback: customers who do not exist.
 *
 *   GET    /customers        all of them
 *   GET    /customers/:id    one
 *   POST   /customers        another one, application/json { name, email }
 *   DELETE /customers/:id
 *   GET    /admin/export     everything; nobody behind the gateway gets here
 */

export type StandInCustomersOptions = {
  readonly port?: number
  readonly credential: StandInCredential
}

type Customer = Readonly<Record<string, string>> & { readonly id: string }

/** Obviously fake: example.com, numbers reserved for fiction, numbers from advertisements and card test suites. */
const fake: readonly Customer[] = [
  {
    id: 'c-1',
    name: 'Ada Example',
    email: 'ada.example@example.com',
    phone: '+1 202-555-0143',
    ssn: '219-09-9999',
    card: '4242 4242 4242 4242',
  },
  {
    id: 'c-2',
    name: 'Bob Sample',
    email: 'bob@sample.example.com',
    phone: '+1 202-555-0178',
    ssn: '219-09-9998',
    card: '5555 5555 5555 4444',
  },
  {
    id: 'c-3',
    name: 'Carol Test',
    email: 'carol.test@example.org',
    phone: '+1 202-555-0112',
    ssn: '219-09-9997',
    card: '4111 1111 1111 1111',
  },
]

export function startStandInCustomers({
  port,
  credential,
}: StandInCustomersOptions): Promise<StandIn> {
  const customers = new Map(fake.map((customer) => [customer.id, customer]))
  return startStandIn({
    name: 'customers',
    port,
    credential,
    answer: (request, response) => answer(customers, request, response),
    turnAway: (response) => sendProblem(response, 401, 'the credential is not the right one'),
  })
}

function answer(
  customers: Map<string, Customer>,
  request: Received,
  response: ServerResponse,
): void {
  const { method } = request
  const [path = ''] = request.target.split('?')
  const id = /^\/customers\/([\w-]{1,64})$/.exec(path)?.[1]
  const known = id === undefined ? undefined : customers.get(id)
  if (path === '/customers') {
    if (method === 'GET') sendJson(response, 200, { customers: [...customers.values()] })
    else if (method === 'POST') add(customers, request, response)
    else sendProblem(response, 405, `no ${method} here`)
  } else if (path === '/admin/export' && method === 'GET') {
    sendJson(response, 200, { exported: [...customers.values()] })
  } else if (!known) sendProblem(response, 404, 'no such thing')
  else if (method === 'GET') sendJson(response, 200, known)
  else if (method === 'DELETE') {
    customers.delete(known.id)
    response.writeHead(204).end()
  } else sendProblem(response, 405, `no ${method} here`)
}

function add(customers: Map<string, Customer>, request: Received, response: ServerResponse): void {
  const type = request.headers.find(([name]) => name === 'content-type')?.[1].split(';')[0]
  if (type !== 'application/json') return sendProblem(response, 415, 'send application/json')
  let asked: Readonly<Record<string, unknown>>
  try {
    asked = JSON.parse(request.body) as Readonly<Record<string, unknown>>
  } catch {
    return sendProblem(response, 400, 'the body is not JSON')
  }
  const { name, email } = asked
  if (typeof name !== 'string' || typeof email !== 'string') {
    return sendProblem(response, 400, 'name and email are wanted')
  }
  if (customers.size >= 1000) return sendProblem(response, 507, 'there are customers enough')
  const customer = { id: `c-${Date.now().toString(36)}-${customers.size + 1}`, name, email }
  customers.set(customer.id, customer)
  sendJson(response, 201, customer)
}

function sendProblem(response: ServerResponse, status: number, detail: string): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ title: 'stand-in', status, detail }))
}
