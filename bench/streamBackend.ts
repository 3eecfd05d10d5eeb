/**
 * A backend that streams numbered tokens at a pace, to as many as ask, in the way of a KoboldCpp of late: `" 0"`, `" 1"`
 * and so on, as many as `max_tokens`. One timer drives all streams, so that it costs as little as can be.
 *
 *   node bench/streamBackend.ts --rate 50 --prompt-millis 100
 */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { parseArgs } from "node:util"

const { values: options } = parseArgs({
  options: { rate: { type: "string", default: "50" }, "prompt-millis": { type: "string", default: "100" } }
})
const rate = Number(options.rate)
const promptMillis = Number(options["prompt-millis"])

/** How often the timer looks who is due, in milliseconds. */
const tick = 4

interface Generation {
  readonly response: ServerResponse
  readonly firstAt: number
  readonly tokens: number
  sent: number
}
const running = new Set<Generation>()
const byKey = new Map<string, Generation>()

/** What can be asked for at `/stats`. */
const stats = { begun: 0, ended: 0, tokens: 0, closedEarly: 0, aborts: 0, blocked: 0 }

const chunk = (content: string, finish_reason: string | null) =>
  `data: ${JSON.stringify({
    id: "koboldcpp",
    object: "chat.completion.chunk",
    created: 1,
    model: "koboldcpp/bench",
    choices: [{ index: 0, finish_reason, delta: { role: "assistant", content } }]
  })}\n\n`
const [before = "", after = ""] = chunk("@", null).split("@")
const last = `${chunk("", "length")}data: [DONE]\n\n`

const writeDue = () => {
  const now = performance.now()
  for (const generation of running) {
    const { firstAt, response, tokens } = generation
    const due = Math.min(tokens, Math.floor(((now - firstAt) * rate) / 1000) + 1)
    // A reader that doesn't keep up has its tokens later, as with a real one.
    if (due <= generation.sent || response.writableNeedDrain) continue
    let text = ""
    for (; generation.sent < due; generation.sent++) {
      text += `${before} ${generation.sent}${after}`
      stats.tokens += 1
    }
    if (!response.write(text)) stats.blocked += 1
    if (generation.sent < tokens) continue
    stats.ended += 1
    running.delete(generation)
    response.end(last)
  }
}
setInterval(writeDue, tick)

const json = (response: ServerResponse, body: unknown) =>
  response.writeHead(200, { "content-type": "application/json", connection: "close" }).end(JSON.stringify(body))

const server = createServer((request, response) => {
  let text = ""
  request.on("data", (piece) => {
    text += piece
  })
  request.on("end", () => {
    const path = request.url ?? ""
    if (path === "/stats") return json(response, stats)
    const body = text === "" ? {} : JSON.parse(text)
    if (path.endsWith("/abort")) {
      stats.aborts += 1
      return json(response, { success: "true", done: "true" })
    }
    if (path.endsWith("/check"))
      return json(response, { results: [{ text: "x".repeat(byKey.get(body.genkey)?.sent ?? 0) }] })
    if (path.endsWith("/tokencount")) return json(response, { value: body.prompt.length })
    if (body.stream !== true) return json(response, {})
    const generation = { response, firstAt: performance.now() + promptMillis, tokens: body.max_tokens, sent: 0 }
    stats.begun += 1
    running.add(generation)
    if (body.genkey !== undefined) byKey.set(body.genkey, generation)
    response.writeHead(200, { "content-type": "text/event-stream", connection: "close" })
    response.flushHeaders()
    response.on("close", () => {
      if (running.delete(generation)) stats.closedEarly += 1
      // Somebody may still ask what it had come to.
      setTimeout(() => byKey.delete(body.genkey), 2000)
    })
  })
})
server.listen(0, "127.0.0.1", 4096, () => console.log((server.address() as AddressInfo).port))

process.stdin.resume().on("end", () => process.exit(0))
