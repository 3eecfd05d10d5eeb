/**
 * A backend that answers at once: what is measured is the way there and back. With `close` it ends the connection after
 * each answer, as KoboldCpp does; with `keep` it keeps it.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const answer = JSON.stringify({
  model: "koboldcpp/bench",
  choices: [
    { index: 0, finish_reason: "stop", message: { role: "assistant", content: "The printer is out of paper." } }
  ],
  usage: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 }
})
const closing = process.argv[2] !== "keep"
const head = {
  ...(closing ? { connection: "close" } : {}),
  "content-type": "application/json",
  "content-length": Buffer.byteLength(answer)
}

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => response.writeHead(200, head).end(answer))
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port))
