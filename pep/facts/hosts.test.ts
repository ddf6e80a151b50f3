import { expect, test } from 'vitest'
import { createHostList, hostOf, looksLikeHost } from './hosts.ts'

test.each([
  ['https://A.Example.com:8443/x?y', 'a.example.com'],
  ['user@host.example.com:22/x', 'host.example.com'],
  ['https://user:pass@host.example.com/', 'host.example.com'],
  ['https://good.example.com@evil.example.com/', 'evil.example.com'],
  ['host.example.com.', 'host.example.com'],
  ['http://2130706433/', '127.0.0.1'],
  ['http://0x7f.1/', '127.0.0.1'],
  ['ssh://0xA9FEA9FE', '169.254.169.254'],
  ['http://[::1]:80/', '::1'],
  ['ftp://bücher.example', 'xn--bcher-kva.example'],
])('the host of %s is %s', (text, host) => {
  expect(hostOf(text)).toBe(host)
})

test.each(['$HOST/x', 'https://$(x).example.com', 'https://', 'https://a b/', '{a,b}.example.com'])(
  'the host of %s cannot be told',
  (text) => {
    expect(hostOf(text)).toBeUndefined()
  },
)

test('addresses are told from other words', () => {
  for (const word of ['example.com', 'https://x', 'localhost:80', '10.0.0.1', 'u@a.example:22'])
    expect(looksLikeHost(word)).toBe(true)
  for (const word of ['POST', '-d', 'x=1', 'a/b.txt', '3.14'])
    expect(looksLikeHost(word)).toBe(false)
})

test('a host is listed once, and sends when one of its mentions does', () => {
  const why: string[] = []
  const { add, hosts } = createHostList((one) => why.push(one))
  add('a', 'curl', false)
  add('a', 'curl', true)
  add(undefined, 'curl', false)
  expect(hosts).toEqual([
    { host: 'a', by: 'curl', sends: true },
    { host: '?', by: 'curl', sends: false },
  ])
  for (let k = 0; k < 100; k++) add(`h${k}`, 'curl', false)
  expect(hosts).toHaveLength(64)
  expect(why).not.toEqual([])
})
