import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

/** A port of this machine's own that nobody has at the moment, for programs that can't say which one they took. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
