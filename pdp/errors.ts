/** `countersign.yaml` is wrong where the decision service reads it; the message names every key and what it should be. */
export class PdpConfigError extends Error {
  readonly code = 'PDP_CONFIG'
}
