import type { DecisionRequest } from '../contract/request.ts'
import type { Requester } from '../store/store.ts'

/** Who asks: issuer, type and id together. */
export const requesterOf = ({ subject }: DecisionRequest): Requester => ({
  issuer: subject.properties.issuer,
  type: subject.type,
  id: subject.id,
})
