import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type Running, startProgram } from './processes.ts'
import { policyForOpa } from './workload.ts'

/**
 * nginx as the upstream of both sides, and nginx `auth_request` → `opa run --server` as the peer: what many
 * run today in front of an HTTP service. The peer sends OPA the same decision input that our PEP makes.
 */
export type Peer = {
  readonly upstream: string
  readonly url: string
  readonly stop: () => Promise<void>
}

type PeerParts = {
  readonly opa: string
  /** The decision input of the request that is measured. */
  readonly input: unknown
  /** What the upstream answers, JSON. */
  readonly answer: string
}

const quote = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('$', '${dollar}')}'`

function config(
  folder: string,
  ports: { api: number; peer: number; opa: number },
  parts: PeerParts,
): string {
  return `
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 64m;
  keepalive_requests 1000000000;
  geo $dollar { default "$"; }
  upstream opa { server 127.0.0.1:${ports.opa}; keepalive 128; keepalive_requests 1000000000; }
  upstream api { server 127.0.0.1:${ports.api}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${ports.api};
    location / { default_type application/json; return 200 ${quote(parts.answer)}; }
  }
  server {
    listen 127.0.0.1:${ports.peer};
    location / {
      auth_request /_decide;
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
    location = /_decide {
      internal;
      proxy_pass http://opa/v1/data/countersign/decision/decision;
      proxy_method POST;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Type application/json;
      proxy_set_body ${quote(JSON.stringify({ input: parts.input }))};
    }
  }
}
`
}

/** `opa run --server` with the same rules and data that the bundle is built of. */
export async function startOpa(opa: string, folder: string, port: number): Promise<Running> {
  const args = ['run', '--server', '--addr', `127.0.0.1:${port}`, '--log-level', 'error']
  const files = await policyForOpa(folder)
  return startProgram(opa, [...args, ...files], `http://127.0.0.1:${port}/health`)
}

export async function startPeer(parts: PeerParts): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-nginx-'))
  const ports = { api: await freePort(), peer: await freePort(), opa: await freePort() }
  const started: Running[] = []
  const stop = async () => {
    for (const program of started.toReversed()) await program.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const path = join(folder, 'nginx.conf')
    await writeFile(path, config(folder, ports, parts))
    started.push(await startOpa(parts.opa, folder, ports.opa))
    const upstream = `http://127.0.0.1:${ports.api}`
    started.push(await startProgram('nginx', ['-e', 'stderr', '-c', path], `${upstream}/`))
    return { upstream, url: `http://127.0.0.1:${ports.peer}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
