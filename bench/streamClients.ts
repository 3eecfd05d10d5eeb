/**
 * Clients that read one numbered stream after the other and count what is amiss with them. Some leave midway.
 *
 *   node bench/streamClients.ts --url http://127.0.0.1:5000 --streams 200 --tokens 250 --warm 10 --seconds 60 --leaving 0.05
 *
 * Says `begun` when it is warm and `over` when its time is, and after its last stream what it counted, as JSON.
 */
import { Agent, request } from "node:http"
import { parseArgs } from "node:util"

const { values: options } = parseArgs({
  options: {
    url: { type: "string", default: "" },
    token: { type: "string", default: "" },
    streams: { type: "string", default: "200" },
    tokens: { type: "string", default: "250" },
    warm: { type: "string", default: "10" },
    seconds: { type: "string", default: "60" },
    leaving: { type: "string", default: "0.05" },
    /** What the streams take, roughly, over which the first ones are spread. */
    spread: { type: "string", default: "5" }
  }
})
const tokens = Number(options.tokens)
const leaving = Number(options.leaving)
const { hostname, port } = new URL(options.url)
const agent = new Agent({ keepAlive: false })
const body = JSON.stringify({
  model: "bench",
  max_tokens: tokens,
  stream: true,
  messages: [{ role: "user", content: "Why does the printer on the second floor blink?" }]
})
const headers = {
  "content-type": "application/json",
  "content-length": Buffer.byteLength(body),
  authorization: `Bearer ${options.token}`
}

const counts = { begun: 0, complete: 0, left: 0, tokens: 0, gaps: 0, repeats: 0 }
/** Milliseconds from the request to the first token, and from each token to the one after it. */
const firstTokens: Array<number> = []
const steps: Array<number> = []
/** What went wrong, and how often. */
const amiss = new Map<string, number>()

const begin = performance.now()
const measuredFrom = begin + Number(options.warm) * 1000
const over = measuredFrom + Number(options.seconds) * 1000
const measured = (now: number) => now >= measuredFrom && now < over

/** Reads one stream. */
const readStream = (leaveAt: number) =>
  new Promise<void>((resolve) => {
    const asked = performance.now()
    let expected = 0
    let latest = asked
    let complete = false
    let left = false
    let rest = ""
    if (measured(asked)) counts.begun += 1

    const take = (data: string) => {
      if (data === "[DONE]") {
        complete = true
        counts.gaps += tokens - expected
        return
      }
      const content = JSON.parse(data).choices?.[0]?.delta?.content
      if (content === undefined) {
        if (data.includes('"error"')) fail(data.slice(0, 120))
        return
      }
      if (content === "") return
      const now = performance.now()
      const number = Number(content)
      if (number > expected) counts.gaps += number - expected
      if (number < expected) counts.repeats += 1
      if (measured(now)) {
        counts.tokens += 1
        if (expected === 0) firstTokens.push(now - asked)
        else steps.push(now - latest)
      }
      latest = now
      expected = number + 1
      if (expected > leaveAt) {
        left = true
        counts.left += 1
        call.destroy()
      }
    }
    const fail = (why: string) => amiss.set(why, (amiss.get(why) ?? 0) + 1)

    const call = request(
      { hostname, port, path: "/v1/chat/completions", method: "POST", headers, agent },
      (response) => {
        response.setEncoding("utf8")
        if (response.statusCode !== 200) fail(`status ${response.statusCode}`)
        response.on("data", (text: string) => {
          rest += text
          for (let end = rest.indexOf("\n\n"); end >= 0 && !left; end = rest.indexOf("\n\n")) {
            const event = rest.slice(0, end)
            rest = rest.slice(end + 2)
            if (event.startsWith("data: ")) take(event.slice(6))
          }
        })
        response.on("error", () => {})
      }
    )
    call.on("error", (error) => left || fail(error.message))
    call.on("close", () => {
      if (complete) counts.complete += 1
      else if (!left) fail("broke off")
      resolve()
    })
    call.end(body)
  })

const wait = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** One stream after the other, the first after its share of the spread, so that they don't all begin at once. */
const client = async (index: number) => {
  await wait((Number(options.spread) * 1000 * index) / Number(options.streams))
  for (let turn = 1; performance.now() < over; turn++) {
    // The share that leaves, spread evenly over clients and turns, and over the length of a stream but for its end:
    // who leaves with the last token causes no abort.
    const draw = (index * 0.618034 + turn * 0.414214) % 1
    await readStream(draw < leaving ? Math.floor((draw / leaving) * tokens * 0.9) : Number.POSITIVE_INFINITY)
  }
}

setTimeout(() => console.log("begun"), measuredFrom - begin)
setTimeout(() => console.log("over"), over - begin)
await Promise.all(Array.from({ length: Number(options.streams) }, (_, index) => client(index)))

const quantiles = (values: Array<number>) => {
  values.sort((a, b) => a - b)
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
console.log(
  JSON.stringify({ ...counts, firstToken: quantiles(firstTokens), step: quantiles(steps), amiss: [...amiss] })
)
process.exit(0)
