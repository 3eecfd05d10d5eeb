import { type Agent, type IncomingMessage, request } from "node:http"
import * as Effect from "effect/Effect"

/** How one event ended: `200`, its status and error code, or the error of its connection. */
export const outcomeOf = (url: string, agent: Agent) =>
  Effect.callback<string>((resume) => {
    const call = request(`${url}/event`, { method: "POST", agent, headers: { "content-type": "application/json" } })
    const broken = (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? "unknown"))
    call.on("response", (response: IncomingMessage) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("error", broken)
      response.on("end", () => {
        const code: unknown = JSON.parse(text).error
        resume(Effect.succeed(code === undefined ? `${response.statusCode}` : `${response.statusCode} ${code}`))
      })
    })
    call.on("error", broken)
    call.end('{"content":"p"}')
  })

/** Asks again and again, each client one event after the other, until it gets anything but a 200. */
export const clientsInALoop = (url: string, agent: Agent, count: number, outcomes: Array<string>) => {
  const client = outcomeOf(url, agent).pipe(
    Effect.tap((outcome) => Effect.sync(() => outcomes.push(outcome))),
    Effect.repeat({ while: (outcome) => outcome === "200" })
  )
  return Effect.all(
    Array.from({ length: count }, () => client),
    { concurrency: count, discard: true }
  )
}
