import { type Agent, type IncomingHttpHeaders, request as nodeRequest } from "node:http"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ErrorCode, errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"

export interface Outgoing {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | undefined
  /** For tests that reuse connections; without one each request has its own. */
  readonly agent?: Agent
}

export interface Incoming {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** One request as it is written, its path unchanged; interrupting it closes its connection. */
export const send = (url: string, outgoing: Outgoing = {}): Effect.Effect<Incoming> =>
  Effect.callback<Incoming>((resume, signal) => {
    const { agent = false, body, headers = {}, method = "GET", path = "/health" } = outgoing
    const { hostname, port } = new URL(url)
    const request = nodeRequest({ agent, headers, host: hostname, method, path, port, signal }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
      )
      response.on("error", (error) => resume(Effect.die(error)))
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body)
  })

/** A JSON body, or one that is already text or bytes, to `POST /event`. */
export const sendEvent = (url: string, body: unknown, options: Omit<Outgoing, "body"> = {}): Effect.Effect<Incoming> =>
  send(url, {
    method: "POST",
    path: "/event",
    ...options,
    headers: { "content-type": "application/json", ...options.headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
  })

/** Asks again until the answer is the wanted one; the test's own timeout ends a hopeless wait. */
export const until = <A, E, R>(self: Effect.Effect<A, E, R>, wanted: (answer: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.repeat(self, { until: wanted, schedule: Schedule.spaced("10 millis") })

export const jsonIn = ({ text }: Pick<Incoming, "text">): Record<string, unknown> => JSON.parse(text)

/** Holds an answer to the error contract: status, JSON, and four fields of their types. */
export const assertFailure = (answer: Incoming, code: ErrorCode) => {
  assert.match(answer.headers["content-type"] ?? "none", /^application\/json/, `the content type of ${answer.text}`)
  const body = jsonIn(answer)
  assert.sameMembers(Object.keys(body), ["error", "message", "status_code", "details"])
  assert.strictEqual(body["error"], code)
  assert.strictEqual(answer.status, errorCatalogue[code].status)
  assert.strictEqual(body["status_code"], answer.status)
  assert.match(String(body["message"]), /^[A-Za-z].*\.$/)
  assert.isTrue(body["details"] === null || typeof body["details"] === "string")
  assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
}

/** The service still does its work. */
export const assertAlive = Effect.fnUntraced(function* (url: string) {
  const answer = yield* sendEvent(url, { content: "still there?" })
  assert.strictEqual(answer.status, 200)
  assert.strictEqual(jsonIn(answer)["completion"], "from chat")
})
