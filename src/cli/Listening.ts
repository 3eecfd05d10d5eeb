const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "that port is not for ordinary users",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "that host name is not known",
  EAI_AGAIN: "that host name can't be looked up now"
}

/** Why a server can't listen, as one sentence, from what Node says about it. */
export const cannotListen = (cause: unknown): string => {
  const { address, code, host, hostname, port } = read(cause)
  const place = address ?? host ?? hostname
  const where = place === undefined ? "" : ` on ${place}${port === undefined ? "" : `, port ${port}`}`
  return `Can't listen${where}: ${reasons[code ?? ""] ?? code ?? "the system refused"}.`
}

const read = (
  cause: unknown
): { address?: string; host?: string; hostname?: string; code?: string; port?: number } => ({
  ...(typeof cause === "object" && cause !== null ? cause : {})
})
