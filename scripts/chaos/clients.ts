/** Clients that ask one thing after the other, some of which leave midway, and what they got. */
import { type ClientRequest, type IncomingMessage, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { draw } from "../../src/simulator/Hash.ts"

/** How a request ended for its client. */
export type End =
  | { readonly _tag: "answered"; readonly text: string; readonly tokens: number; readonly backend: string | undefined }
  | { readonly _tag: "failed"; readonly code: string; readonly midway: boolean; readonly details: string | null }
  | { readonly _tag: "left" }
  /** No answer, more than one, or one that can't be read. */
  | { readonly _tag: "amiss"; readonly why: string }

/** A request, seen from its client. Times are milliseconds since 1970. */
export interface Asked {
  readonly id: number
  readonly stream: boolean
  readonly endedAt: number
  readonly end: End
}

export interface Crowd {
  readonly url: string
  readonly tokens: ReadonlyArray<string>
  readonly seed: number
  readonly clients: number
}

/** The share of requests whose clients leave: some after so many milliseconds, and readers of streams midway. */
const leaving = 0.15
const longestStay = 2000
const longestRead = 300
const longestPause = 400

/** Begins to ask; what was asked is there when the last answer is, after nobody asks any more. */
export const beginAsking = ({ clients, seed, tokens, url }: Crowd) => {
  const asked: Array<Asked> = []
  let goesOn = true
  let lastId = 0
  const one = async (index: number) => {
    while (goesOn) {
      const id = ++lastId
      const chance = (what: number) => draw(seed + id, what)
      await sleep(chance(0) * longestPause)
      if (!goesOn) return
      const stream = chance(1) < 0.4
      const content = { prompt: `#${id} asks for some words`, max_tokens: 10 + Math.floor(chance(2) * 40) }
      const stay = stream && chance(4) < 0.7 ? { read: chance(5) * longestRead } : { wait: chance(5) * longestStay }
      const question = { content, stream, stay: chance(3) < leaving ? stay : {} }
      const end = await ask(new URL("/event", url), tokens[index % tokens.length] ?? "", question)
      asked.push({ id, stream, endedAt: Date.now(), end })
    }
  }
  const all = Array.from({ length: clients }, (_, index) => one(index))
  return {
    answeredSoFar: () => asked.length,
    stop: async () => {
      goesOn = false
      await Promise.all(all)
      return asked
    }
  }
}

interface Question {
  readonly content: object
  readonly stream: boolean
  /** Milliseconds until the client leaves: from when it asks, or from the first of a stream. */
  readonly stay: { readonly wait?: number; readonly read?: number }
}

/** Asks once, and leaves when it is time to if there is no answer by then. */
const ask = (url: URL, token: string, { content, stay, stream }: Question) =>
  new Promise<End>((resolve) => {
    const body = JSON.stringify({ content, stream })
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` }
    const call: ClientRequest = request(url, { method: "POST", agent: false, headers })
    let leave: NodeJS.Timeout | undefined
    const leaveAfter = (millis: number | undefined) => {
      if (millis !== undefined) leave = setTimeout(() => end({ _tag: "left" }), millis)
    }
    leaveAfter(stay.wait)
    const end = (how: End) => {
      clearTimeout(leave)
      resolve(how)
      call.destroy()
    }
    call.on("error", ({ message }) => end({ _tag: "amiss", why: message }))
    call.on("response", (response) => {
      leaveAfter(stay.read)
      const read = stream && response.statusCode === 200 ? readStream : readWhole
      gather(response, (text, complete) => end(complete ? read(text) : { _tag: "amiss", why: "cut off" }))
    })
    call.end(body)
  })

const gather = (response: IncomingMessage, done: (text: string, complete: boolean) => void) => {
  let text = ""
  response.setEncoding("utf8").on("data", (more: string) => {
    text += more
  })
  response.on("close", () => done(text, response.complete))
  response.on("error", () => {})
}

const readWhole = (text: string): End =>
  reading(() => {
    const answer = JSON.parse(text)
    if (typeof answer.error === "string")
      return { _tag: "failed", code: answer.error, midway: false, details: answer.details }
    const { backend, completion, usage } = answer
    if (typeof completion !== "string") return { _tag: "amiss", why: "neither a completion nor an error" }
    return { _tag: "answered", text: completion, tokens: usage?.completion_tokens, backend }
  })

const readStream = (text: string): End =>
  reading(() => {
    const events = text
      .split("\n\n")
      .filter((event) => event.startsWith("data: "))
      .map((event) => JSON.parse(event.slice(6)))
    const lasts = events.filter(({ done }) => done)
    const last = events.at(-1)
    if (lasts.length !== 1 || last !== lasts[0]) return { _tag: "amiss", why: `${lasts.length} ends of a stream` }
    if (typeof last.error === "string") return { _tag: "failed", code: last.error, midway: true, details: null }
    const said = events.map(({ delta = "" }) => delta).join("")
    return { _tag: "answered", text: said, tokens: last.completion_tokens, backend: undefined }
  })

const reading = (read: () => End): End => {
  try {
    return read()
  } catch {
    return { _tag: "amiss", why: "not JSON" }
  }
}
