import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { type ErrorCode, errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { buggyService } from "../support/BuggyService.ts"
import { canary, echo, echoHeaders, event, everyHeader, goodToken, wrongToken } from "../support/Canary.ts"
import { assertFailure, type Incoming, type Outgoing, send, sendEvent } from "../support/Http.ts"
import { exportedText, exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"
import type { Step } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"
import { watchOnce } from "../support/Watcher.ts"

type World = Effect.Success<ReturnType<typeof startService>>

interface Scenario {
  readonly code: ErrorCode
  readonly how: string
  readonly settings?: Readonly<Record<string, string>>
  readonly step?: Step
  readonly ask: (world: World) => Effect.Effect<Incoming, never, Scope.Scope>
}

const path = `/event?${canary}=${canary}`
const signedIn = everyHeader({ authorization: `Bearer ${goodToken}` })

const post =
  (body: unknown, options: Omit<Outgoing, "body"> = {}): Scenario["ask"] =>
  ({ url }) =>
    sendEvent(url, body, { path, ...options, headers: { ...signedIn, ...options.headers } })

/** Bytes of no HTTP client: the answer is the first that comes. */
const raw =
  (bytes: string): Scenario["ask"] =>
  ({ url }) =>
    Effect.gen(function* () {
      const connection = yield* rawConnection(url)
      connection.write(bytes)
      const [answer] = yield* connection.receive(1)
      return answer ?? assert.fail("no answer")
    })

/** Holds the only slot with a request that hangs, then asks. */
const behindAnother =
  (ask: Scenario["ask"]): Scenario["ask"] =>
  (world) =>
    Effect.gen(function* () {
      yield* Effect.forkScoped(post(event)(world), { startImmediately: true })
      yield* eventually(() => world.backend.calls.length === 1)
      return yield* ask(world)
    })

const whileDraining: Scenario["ask"] = behindAnother((world) =>
  Effect.gen(function* () {
    yield* Effect.forkScoped(Context.get(world.context, Lifecycle).drain, { startImmediately: true })
    const answer = yield* post(event)(world)
    world.backend.release()
    return answer
  })
)

const whileCancelled: Scenario["ask"] = (world) =>
  Effect.gen(function* () {
    const options = { headers: { ...signedIn, "x-request-id": "sane" } }
    const asked = yield* Effect.forkScoped(post(event, options)(world), { startImmediately: true })
    yield* eventually(() => world.backend.calls.length === 1)
    yield* send(world.url, { method: "DELETE", path: "/requests/sane", headers: signedIn })
    return yield* Fiber.join(asked)
  })

const whileDown: Scenario["ask"] = (world) =>
  Effect.gen(function* () {
    yield* Effect.forEach(Array.from({ length: 10 }), () => post(event)(world), { concurrency: 10 })
    return yield* post(event)(world)
  })

const twice =
  (ask: Scenario["ask"]): Scenario["ask"] =>
  (world) =>
    Effect.andThen(ask(world), ask(world))

const head = `POST ${path} HTTP/1.1\r\nHost: ${canary}\r\nX-${canary}: ${canary}\r\n`

const backendScenarios: ReadonlyArray<Scenario> = (
  [
    ["api_authentication_error", "401", { status: 401, body: echo, headers: echoHeaders }],
    ["api_authentication_error", "403 in text", { status: 403, raw: canary, headers: echoHeaders }],
    ["api_client_error", "422", { status: 422, body: echo, headers: echoHeaders }],
    ["api_client_error", "404 everywhere", { status: 404, raw: canary }],
    ["api_client_error", "a redirect", { status: 302, raw: canary, headers: echoHeaders }],
    ["api_rate_limited", "429", { status: 429, body: echo, headers: echoHeaders }],
    ["api_server_error", "500", { status: 500, body: echo, headers: echoHeaders }],
    ["api_connection_error", "a reset", { reset: true }],
    ["api_connection_error", "half an answer", { truncate: true }],
    ["api_response_format_error", "text", { raw: canary, headers: echoHeaders }],
    ["api_response_format_error", "broken JSON", { raw: `{"${canary}": "${canary}"` }],
    ["api_response_structure_error", "other JSON", { body: echo, headers: echoHeaders }],
    ["api_response_structure_error", "a JSON string", { raw: JSON.stringify(canary) }],
    ["backend_error", "no text", { body: { ...echo, choices: [{ message: { content: " ", role: canary } }] } }]
  ] as ReadonlyArray<[ErrorCode, string, Step]>
).map(([code, how, step]) => ({ code, how: `the backend answers with ${how}`, step, ask: post(event) }))

const ownScenarios: ReadonlyArray<Scenario> = [
  { code: "invalid_request", how: "broken JSON", ask: post(`{"${canary}": "${canary}`) },
  { code: "invalid_request", how: "a bad escape", ask: post(`{"content": "${canary}\\x"}`) },
  { code: "invalid_request", how: "a bare word", ask: post(canary) },
  { code: "invalid_request", how: "another content type", ask: post(event, { headers: { "content-type": canary } }) },
  { code: "invalid_request", how: "no HTTP", ask: raw(`${canary} ${canary}\r\n\r\n`) },
  { code: "invalid_request", how: "a broken field", ask: raw(`${head}${canary}\r\n\r\n`) },
  { code: "invalid_input_format", how: "a list", ask: post([canary]) },
  { code: "missing_content_field", how: "another name", ask: post({ [canary]: canary }) },
  {
    code: "prompt_extraction_failed",
    how: "no prompt",
    ask: post({ content: { [canary]: canary, messages: [canary] } })
  },
  { code: "invalid_parameter", how: "a word", ask: post({ ...event, temperature: canary }) },
  { code: "invalid_parameter", how: "a nested word", ask: post({ content: canary, stop: [{ [canary]: canary }] }) },
  { code: "invalid_parameter", how: "a budget", ask: post(event, { headers: { "x-request-timeout": canary } }) },
  {
    code: "payload_too_large",
    how: "length",
    settings: { AI_TICKET_MAX_BODY_BYTES: "1000" },
    ask: post(canary.repeat(200))
  },
  {
    code: "request_timeout",
    how: "half a body",
    settings: { AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.2" },
    ask: raw(`${head}X-API-Key: ${goodToken}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"${canary}`)
  },
  { code: "request_header_fields_too_large", how: "flood", ask: raw(`${head}X: ${canary.repeat(2000)}\r\n\r\n`) },
  { code: "unauthorised", how: "no token", ask: post(event, { headers: { authorization: `Basic ${canary}` } }) },
  { code: "forbidden", how: "a wrong token", ask: post(event, { headers: { authorization: `Bearer ${wrongToken}` } }) },
  { code: "not_found", how: "a path", ask: post(event, { path: `/${canary}/%20${canary}` }) },
  { code: "method_not_allowed", how: "a method", ask: post(event, { path: `/health?${canary}`, method: "PUT" }) },
  { code: "rate_limited", how: "by address", settings: { RATE_LIMIT_REQUESTS: "1" }, ask: twice(post(event)) },
  {
    code: "rate_limited",
    how: "by token",
    settings: { RATE_LIMIT_REQUESTS: "1", AI_TICKET_RATE_LIMIT_BY: "token" },
    ask: twice(post(event))
  },
  {
    code: "overloaded",
    how: "a full line",
    settings: { AI_TICKET_QUEUE_LIMIT: "0" },
    step: { hang: true },
    ask: behindAnother(post(event))
  },
  {
    code: "deadline_exceeded",
    how: "a backend that hangs",
    settings: { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "0.2" },
    step: { hang: true },
    ask: post(event)
  },
  { code: "cancelled", how: "another connection", step: { hang: true }, ask: whileCancelled },
  { code: "shutting_down", how: "draining", step: { hang: true }, ask: whileDraining },
  {
    code: "no_backend_available",
    how: "an open breaker",
    settings: { AI_TICKET_SLOTS: "10", AI_TICKET_RETRY_BUDGET_PER_SECOND: "0", AI_TICKET_RETRY_BUDGET_PERCENT: "0" },
    step: { reset: true },
    ask: whileDown
  }
]

const scenarios = [...ownScenarios, ...backendScenarios]

const run = Effect.fnUntraced(function* ({ ask, settings = {}, step = {} }: Omit<Scenario, "code" | "how">) {
  const collector = yield* otlpReceiver()
  const world = yield* startService({
    ...exportingTo(collector),
    AI_TICKET_AUTH_TOKEN: goodToken,
    AI_TICKET_KOBOLDCPP_API_KEY: `key-${canary}`,
    LOG_LEVEL: "TRACE",
    ...settings
  })
  world.backend.script({ chat: [step], completion: [step], generate: [step] })
  const answer = yield* ask(world)
  const metrics = yield* send(world.url, { path: "/metrics", headers: everyHeader({}) })
  const summary = yield* send(world.url, { path: `/api/metrics/summary?${canary}`, headers: signedIn })
  const watched = yield* watchOnce(world.url, signedIn)
  return { answer, metrics: [metrics, summary, watched], lines: world.lines, backend: world.backend, collector }
})

describe.concurrent("what a client sends in confidence", () => {
  it("is looked for in every error but the bugs", () => {
    const codes = Object.keys(errorCatalogue).filter((code) => code !== "internal_error")
    assert.sameMembers([...new Set(scenarios.map(({ code }) => code))], codes)
  })

  for (const scenario of scenarios) {
    it.live(`is in no answer, log line, metric, summary or export of ${scenario.code}: ${scenario.how}`, () =>
      Effect.gen(function* () {
        const { answer, collector, lines, metrics } = yield* Effect.scoped(run(scenario))
        assertFailure(answer, scenario.code)
        const told = [
          answer.text,
          JSON.stringify(answer.headers),
          JSON.stringify(metrics),
          exportedText(collector),
          ...lines
        ]
        for (const text of told) assert.notInclude(text.toLowerCase(), canary)
      })
    )
  }

  const defects: Readonly<Record<string, unknown>> = {
    "an error": new Error(`no answer to ${canary} of ${goodToken}`),
    "an error with a cause": new TypeError(`outer ${canary}`, {
      cause: new Error(`what looks\n    at ${canary} (like a frame)`)
    }),
    "an error with fields": Object.assign(new Error("inner"), { code: canary, prompt: event }),
    "an object": event,
    "a text": canary
  }
  for (const [name, defect] of Object.entries(defects)) {
    it.live(`is in no answer, log line, metric, summary or export of internal_error: a bug that throws ${name}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const settings = { AI_TICKET_AUTH_TOKEN: goodToken, LOG_LEVEL: "TRACE", ...exportingTo(collector) }
        const { answer, lines, metrics } = yield* Effect.scoped(
          Effect.gen(function* () {
            const { lines, url } = yield* buggyService(defect, settings)
            const answer = yield* sendEvent(url, event, { path, headers: signedIn })
            const summary = yield* send(url, { path: "/api/metrics/summary", headers: signedIn })
            assert.include(summary.text, "internal_error")
            return { answer, lines, metrics: [yield* send(url, { path: "/metrics" }), summary] }
          })
        )
        assertFailure(answer, "internal_error")
        assert.isTrue(collector.logs().some(({ attributes }) => "cause" in attributes))
        for (const told of [
          answer.text,
          JSON.stringify(answer.headers),
          JSON.stringify(metrics),
          exportedText(collector),
          ...lines
        ]) {
          assert.notInclude(told.toLowerCase(), canary)
        }
      })
    )
  }

  it.live("reaches the backend, and is in no log line, metric, summary or header of a success either", () =>
    Effect.gen(function* () {
      const step = { body: { model: canary, choices: [{ message: { content: canary }, finish_reason: canary }] } }
      const { answer, backend, collector, lines, metrics } = yield* Effect.scoped(run({ step, ask: post(event) }))
      assert.strictEqual(answer.status, 200)
      assert.include(String(backend.calls[0]?.prompt), canary)
      assert.isTrue(collector.spans().some(({ name }) => name === `chat ${canary}`))
      for (const told of [JSON.stringify(answer.headers), JSON.stringify(metrics), exportedText(collector), ...lines]) {
        assert.notInclude(told.toLowerCase(), canary)
      }
    })
  )
})
