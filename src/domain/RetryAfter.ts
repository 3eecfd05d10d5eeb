/**
 * Milliseconds that a `Retry-After` header asks to wait (RFC 9110, 10.2.3: seconds, or an HTTP date).
 *
 * Undefined when it is absent, in the past by more than it matters, or not understood.
 */
export const parseRetryAfter = (header: string | undefined, nowMillis: number): number | undefined => {
  const value = header?.trim() ?? ""
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value)) return undefined
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMillis)
}
