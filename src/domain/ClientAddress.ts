/**
 * The client's address: the socket's, or behind `proxies` trusted proxies the entry that the outermost of them wrote,
 * which is the n-th from the right of `X-Forwarded-For`. What stands further left a client can write itself.
 *
 * A header with too few entries, or with no address in that place, did not come through the proxies: the socket counts.
 */
export const clientAddress = (options: {
  readonly socket: string | undefined
  readonly forwardedFor: string | undefined
  readonly proxies: number
}): string => {
  const socket = normalise(options.socket ?? "") ?? "unknown"
  if (options.proxies === 0 || options.forwardedFor === undefined) return socket
  const entries = options.forwardedFor.split(",")
  return normalise(entries[entries.length - options.proxies] ?? "") ?? socket
}

/**
 * Who shares a limit. An IPv6 host owns a whole /64 and could walk through it, so its network counts; an IPv4 address
 * counts as it is.
 */
export const limitKey = (address: string): string => {
  if (!address.includes(":")) return address
  return `${expandIpv6(address).slice(0, 4).join(":")}::/64`
}

/** An address without port, brackets, zone or IPv4-mapping; undefined if it isn't one. */
const normalise = (text: string): string | undefined => {
  if (isIpv4(text)) return text
  const trimmed = text.trim().toLowerCase()
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(trimmed)?.[1] ?? trimmed
  const unmapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1] ?? bare.replace(/%.*$/, "")
  return isIpv4(unmapped) || isIpv6(unmapped) ? unmapped : undefined
}

const isIpv4 = (text: string): boolean =>
  /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(text)

const isIpv6 = (text: string): boolean => {
  const sides = text.split("::")
  const groups = sides.flatMap((side) => (side === "" ? [] : side.split(":")))
  if (sides.length > 2 || !groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return false
  return sides.length === 2 ? groups.length < 8 : groups.length === 8
}

const expandIpv6 = (text: string): ReadonlyArray<string> => {
  const [head = "", tail] = text.split("::")
  const left = head.split(":").filter((group) => group !== "")
  const right = (tail ?? "").split(":").filter((group) => group !== "")
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right]
  return groups.map((group) => group.replace(/^0+(?=.)/, ""))
}
