import { expect, test } from 'vitest'
import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { createExtraction } from './extraction.ts'

const profile: ExtractionProfile = {
  detectors: ['email', 'custom:badge'],
  custom_detectors: [{ name: 'badge', pattern: 'EMP-[0-9]{6}', max_length: 10 }],
  phrases: [{ name: 'secret_projects', phrases: ['project bluebird'] }],
  json_paths: ['$.metadata.team'],
  inspect_bodies: [],
}

test('what a profile asks for is found, and a profile is compiled once', () => {
  const extraction = createExtraction()
  const { scan, paths, incomplete } = extraction(profile)
  const found = scan.scan('ann@example.com has EMP-123456 on Project  Bluebird')
  expect(found.detectors).toEqual({ email: 1, 'custom:badge': 1 })
  expect(found.phrases).toEqual(['secret_projects'])
  expect(paths({ metadata: { team: 'a' } }).paths).toEqual({ '$.metadata.team': ['a'] })
  expect(incomplete).toEqual([])
  expect(extraction(profile)).toBe(extraction(profile))
  expect(extraction({ ...profile, detectors: [] }).scan.scan('ann@example.com').detectors).toEqual(
    {},
  )
})

test('what cannot be compiled makes every fact incomplete', () => {
  const broken = { ...profile, detectors: ['nonsense'], json_paths: ['nonsense'] }
  expect(createExtraction()(broken).incomplete).toEqual(['profile: detectors', 'profile: paths'])
})
