/** Clients that ask one thing after the other, some of which leave midway, and what they got. */
import { type ClientRequest, type IncomingMessage, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { draw } from "../../src/simulator/Hash.ts"
import { type End, readFailure, readStream, readWhole } from "./answers.ts"

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

const streaming = 0.35
const longestPause = 400

/** The share of requests whose clients leave: some after so many milliseconds, and readers of streams midway. */
const leaving = 0.15
const longestStay = 2000
const longestRead = 400

interface Question {
  readonly path: string
  readonly body: object
  readonly read: (text: string, streamed: boolean) => End
  /** Milliseconds until the client leaves: from when it asks, or from the first of a stream. */
  readonly stay: { readonly wait?: number; readonly read?: number }
}

/** Something with a beginning and an end. */
const event = (prompt: string, stream: boolean, length: number): Question => ({
  path: "/event",
  body: { content: { prompt, max_tokens: 10 + Math.floor(length * 40) }, stream },
  read: (text, streamed) => (streamed ? readStream(text) : readWhole(text)),
  stay: {}
})

/** A text that goes on for much longer than its client stays: were it not stopped, that would show. */
const endless = (prompt: string, stream: boolean, stay: Question["stay"]): Question => ({
  path: "/v1/chat/completions",
  body: {
    ...{ messages: [{ role: "user", content: prompt }], stream, max_tokens: 2000 },
    // In the words of both kinds of backend.
    ...{ ban_eos_token: true, ignore_eos: true }
  },
  read: readFailure,
  stay
})

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
      const stream = chance(1) < streaming
      const prompt = `#${id} asks for some words`
      const stay = stream ? { read: chance(2) * longestRead } : { wait: chance(2) * longestStay }
      const question = chance(3) < leaving ? endless(prompt, stream, stay) : event(prompt, stream, chance(4))
      const end = await ask(url, tokens[index % tokens.length] ?? "", question)
      asked.push({ id, stream, endedAt: Date.now(), end })
    }
  }
  const all = Array.from({ length: clients }, (_, index) => one(index))
  return async () => {
    goesOn = false
    await Promise.all(all)
    return asked
  }
}

/** Asks once, and leaves when it is time to. */
const ask = (url: string, token: string, { body, path, read, stay }: Question) =>
  new Promise<End>((resolve) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` }
    const call: ClientRequest = request(new URL(path, url), { method: "POST", agent: false, headers })
    let leave: NodeJS.Timeout | undefined
    const leaveAfter = (millis: number | undefined) => {
      if (millis !== undefined) leave = setTimeout(() => end({ _tag: "left" }), millis)
    }
    const end = (how: End) => {
      clearTimeout(leave)
      resolve(how)
      call.destroy()
    }
    leaveAfter(stay.wait)
    call.on("error", ({ message }) => end({ _tag: "amiss", why: message }))
    call.on("response", (response) => {
      leaveAfter(stay.read)
      const streamed = response.headers["content-type"]?.startsWith("text/event-stream") === true
      gather(response, (text, complete) => end(complete ? read(text, streamed) : { _tag: "amiss", why: "cut off" }))
    })
    call.end(JSON.stringify(body))
  })

const gather = (response: IncomingMessage, done: (text: string, complete: boolean) => void) => {
  let text = ""
  response.setEncoding("utf8").on("data", (more: string) => {
    text += more
  })
  response.on("close", () => done(text, response.complete))
  response.on("error", () => {})
}
