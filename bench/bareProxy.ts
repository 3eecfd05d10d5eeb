/**
 * The least that makes the same forward: node:http in, the event turned into a chat request, node:http out over
 * connections that are kept where the backend keeps them, the answer turned into a completion. No auth, limits, line, retries, metrics or logs.
 */
import { Agent, createServer, request } from "node:http"
import type { AddressInfo } from "node:net"

const port = Number(process.argv[2])
const agent = new Agent({ keepAlive: true, maxSockets: 64 })

const server = createServer((incoming, outgoing) => {
  const chunks: Array<Buffer> = []
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
  incoming.on("end", () => {
    const { content } = JSON.parse(Buffer.concat(chunks).toString())
    const body = JSON.stringify({
      messages: [{ role: "user", content: content.prompt }],
      max_tokens: content.max_tokens
    })
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
    const path = "/api/v1/chat/completions"
    const upstream = request({ host: "127.0.0.1", port, agent, method: "POST", path, headers }, (answer) => {
      const parts: Array<Buffer> = []
      answer.on("data", (part: Buffer) => parts.push(part))
      answer.on("end", () => {
        const { choices } = JSON.parse(Buffer.concat(parts).toString())
        const completion = JSON.stringify({ completion: choices[0].message.content })
        outgoing.writeHead(200, {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(completion)
        })
        outgoing.end(completion)
      })
    })
    upstream.on("error", () => outgoing.destroy())
    upstream.end(body)
  })
})
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port))
