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
  const trimmed = text.trim().toLowerCase()
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(trimmed)?.[1] ?? trimmed
  const unmapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1] ?? bare.replace(/%.*$/, "")
  return isIpv4(unmapped) || isIpv6(unmapped) ? unmapped : undefined
}

const isIpv4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((part) => Number(part) <= 255)

const isIpv6 = (text: string): boolean => {
  if (!/^[0-9a-f:]{2,39}$/.test(text) || text.split("::").length > 2) return false
  const groups = text.split(":").filter((group) => group !== "")
  if (groups.some((group) => group.length > 4)) return false
  return text.includes("::") ? groups.length < 8 : groups.length === 8 && !text.startsWith(":") && !text.endsWith(":")
}

const expandIpv6 = (text: string): ReadonlyArray<string> => {
  const [head = "", tail] = text.split("::")
  const left = head.split(":").filter((group) => group !== "")
  const right = (tail ?? "").split(":").filter((group) => group !== "")
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right]
}
