/**
 * A collector that reads what it gets and throws it away. Prints its port; `up` answers at once, `slow` after half a
 * minute, `failing` with 500. A word on its input changes its mood.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"

let mood = process.argv[2] ?? "up"
const slowMillis = 30_000

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const answer = () => response.writeHead(mood === "failing" ? 500 : 200).end()
    if (mood === "slow") setTimeout(answer, slowMillis)
    else answer()
  })
})
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port))
createInterface(process.stdin)
  .on("line", (line) => {
    mood = line
  })
  .on("close", () => process.exit())
