/**
 * A call to a backend that closes after each answer: Node's own client without an agent beside ours, in turns. Linux or
 * not; it prints CPU per call, which has no pass or fail.
 *
 *   npm run bench:calls [-- --rounds 5 --calls 5000 --at-once 32]
 */
import * as Http from "node:http"
import * as Net from "node:net"
import { parseArgs } from "node:util"
import { exchange, placeOf } from "../src/services/backends/Exchange.ts"
import { Pieces } from "../src/services/backends/Pieces.ts"
import { endAll, firstMatch, start } from "./processes.ts"

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    calls: { type: "string", default: "5000" },
    "at-once": { type: "string", default: "32" }
  }
})

const path = "/api/v1/chat/completions"
const body = JSON.stringify({ messages: [{ role: "user", content: "Why does the printer blink?" }], max_tokens: 64 })
const fields = ["Connection", "close", "Content-Type", "application/json", "Content-Length", String(body.length)]

const waysTo = (port: number) => {
  const place = placeOf(`http://127.0.0.1:${port}`, 3000)
  const host = ["Host", place.host, ...fields]
  let request = `POST ${path} HTTP/1.1\r\n`
  for (let at = 0; at < host.length; at += 2) request += `${host[at]}: ${host[at + 1]}\r\n`
  request += `\r\n${body}`

  const byNode = () =>
    new Promise<string>((resolve, reject) => {
      const createConnection = () => Net.connect({ port, host: "127.0.0.1", noDelay: true })
      const call = Http.request({ method: "POST", path, headers: host, createConnection })
      call.on("error", reject)
      call.on("response", (response) => {
        const chunks: Array<Buffer> = []
        response.on("error", reject)
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () => resolve(Buffer.concat(chunks).toString()))
      })
      call.end(body)
    })

  const byOurs = () =>
    new Promise<string>((resolve, reject) => {
      const pieces = new Pieces()
      exchange(place, request, {
        head: () => {},
        body: (bytes) => pieces.push(bytes),
        end: () => resolve(pieces.text()),
        broken: reject
      })
    })

  return { "node:http": byNode, ours: byOurs }
}

/** CPU per call in microseconds. */
const measure = async (call: () => Promise<string>, calls: number): Promise<number> => {
  let left = calls
  const caller = async () => {
    while (left-- > 0) JSON.parse(await call())
  }
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: Number(options["at-once"]) }, caller))
  const { system, user } = process.cpuUsage(before)
  return (user + system) / calls
}

try {
  const backend = start(["bench/backend.ts", "close"])
  const ways = Object.entries(waysTo(Number(await firstMatch(backend, /^(\d+)$/))))
  for (const [, call] of ways) await measure(call, 4000)
  const measured = new Map<string, Array<number>>(ways.map(([name]) => [name, []]))
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [name, call] of ways) measured.get(name)?.push(await measure(call, Number(options.calls)))
  }
  for (const [name, runs] of measured) {
    const sorted = runs.toSorted((a, b) => a - b)
    const [least = Number.NaN, most = Number.NaN] = [sorted[0], sorted.at(-1)]
    const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
    console.log(`${name.padEnd(10)} ${middle.toFixed(1)} us of CPU a call (${least.toFixed(1)} to ${most.toFixed(1)})`)
  }
} finally {
  endAll()
}
