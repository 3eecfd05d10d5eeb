import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { canary, echo, echoHeaders, everyHeader, goodToken, wrongToken } from "../../support/Canary.ts"
import { type Incoming, jsonIn, send } from "../../support/Http.ts"
import { exportedText, exportingTo, otlpReceiver } from "../../support/OtlpReceiver.ts"
import { startService } from "../../support/Running.ts"
import { type Step, streamOf } from "../../support/ScriptedBackend.ts"

const native = {
  prompt: `prompt ${canary}`,
  memory: `memory ${canary}`,
  genkey: canary,
  stop_sequence: [canary],
  [canary]: { [canary]: canary }
}

interface Scenario {
  readonly how: string
  readonly path?: string
  readonly method?: string
  readonly body?: unknown
  readonly step?: Step
  readonly token?: string
  readonly settings?: Readonly<Record<string, string>>
}

const generate = "/api/v1/generate"
const stream = "/api/extra/generate/stream"
const half = "\ud83c"

const refusals: ReadonlyArray<Scenario> = [
  { how: "broken JSON", body: `{"${canary}": "${canary}` },
  { how: "no object", body: [canary] },
  { how: "no prompt", body: { ...native, prompt: [canary] } },
  { how: "a key without end", body: { ...native, genkey: canary.repeat(30) } },
  { how: "half a character", body: { ...native, [canary]: `${canary}${half}` } },
  { how: "a length in words", body: { ...native, max_length: canary } },
  { how: "a wrong token", body: native, token: wrongToken },
  { how: "another method", body: native, method: "PUT" },
  { how: "no route", path: `/api/extra/${canary}`, body: native },
  { how: "no such picture", path: `/sdapi/v1/${canary}`, body: native },
  { how: "a wrong key to abort by", path: "/api/extra/abort", body: { genkey: [canary] } },
  { how: "no text to count", path: "/api/extra/tokencount", body: { prompt: [canary] } },
  { how: "a text to count, and no backend", path: "/api/extra/tokencount", body: { prompt: canary } },
  { how: "too many bytes", body: native, settings: { AI_TICKET_MAX_BODY_BYTES: "100" } },
  { how: "no time left", body: native, step: { hang: true }, settings: { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "0.1" } }
]

const steps: ReadonlyArray<readonly [string, Step]> = [
  ["401", { status: 401, body: echo, headers: echoHeaders }],
  ["500", { status: 500, body: echo, headers: echoHeaders }],
  ["text", { raw: canary, headers: echoHeaders }],
  ["other JSON", { body: echo }],
  ["an error in its stream", { pieces: [`data: ${JSON.stringify({ detail: echo })}\n\n`] }],
  ["nonsense in its stream", { pieces: [`event: ${canary}\ndata: ${canary}\n\n`] }]
]

const answered = steps.flatMap(
  ([how, step]): ReadonlyArray<Scenario> => [
    { how: `a backend that answers with ${how}`, body: native, step },
    { how: `a backend that answers a stream with ${how}`, path: stream, body: native, step },
    { how: `a backend that tells of itself with ${how}`, path: "/api/v1/model", method: "GET", step }
  ]
)

/** What the service says to a scenario, and everything that it wrote meanwhile. */
const run = Effect.fnUntraced(function* (scenario: Scenario) {
  const { body, method = "POST", path = generate, settings = {}, step = {}, token = goodToken } = scenario
  const collector = yield* otlpReceiver()
  const { backend, lines, url } = yield* startService({
    ...exportingTo(collector),
    AI_TICKET_AUTH_TOKEN: goodToken,
    AI_TICKET_KOBOLDCPP_API_KEY: `key-${canary}`,
    AI_TICKET_CORS_ORIGINS: "*",
    LOG_LEVEL: "TRACE",
    ...settings
  })
  backend.script({ generate: [step] })
  backend.tell({ "/api/v1/model": step })
  const answer = yield* send(url, {
    method,
    path: `${path}?${canary}`,
    headers: everyHeader({ authorization: `Bearer ${token}` }),
    body: typeof body === "string" || body === undefined ? body : JSON.stringify(body)
  })
  const metrics = yield* send(url, { path: "/metrics" })
  const summary = yield* send(url, { path: "/api/metrics/summary", headers: { "x-api-key": goodToken } })
  return { answer, backend, collector, lines, metrics: metrics.text + summary.text }
})

const assertNowhere = (told: ReadonlyArray<string>) => {
  for (const text of told) assert.notInclude(text.toLowerCase(), canary)
}

const inHeaders = ({ headers }: Incoming) => JSON.stringify(headers)

describe.concurrent("what a client of KoboldCpp's protocol sends in confidence", () => {
  for (const scenario of [...refusals, ...answered]) {
    it.live(`is in no error, log line, metric, summary or export: ${scenario.how}`, () =>
      Effect.gen(function* () {
        const { answer, collector, lines, metrics } = yield* Effect.scoped(run(scenario))
        assert.isAtLeast(answer.status, 400)
        assert.sameMembers(Object.keys(Object(jsonIn(answer)["detail"])), ["msg", "type", "error"])
        assertNowhere([answer.text, inHeaders(answer), metrics, exportedText(collector), ...lines])
      })
    )
  }

  it.live("is not in the error of a stream that breaks off", () =>
    Effect.gen(function* () {
      const step = { pieces: [...streamOf("generate").slice(0, 1), `data: ${canary}\n\n`] }
      const { answer, collector, lines, metrics } = yield* Effect.scoped(
        run({ how: "", path: stream, body: native, step })
      )
      assert.strictEqual(answer.status, 200)
      const [error] = answer.text.split("\n\n").filter((event) => event.includes('"finish_reason": "error"'))
      assert.include(error, "api_response_format_error")
      assertNowhere([error ?? "", inHeaders(answer), metrics, exportedText(collector), ...lines])
    })
  )

  it.live("reaches the backend, but for its key, and is in no log line, metric, summary or header of a success", () =>
    Effect.gen(function* () {
      const step = { pieces: streamOf("generate", canary) }
      const { answer, backend, collector, lines, metrics } = yield* Effect.scoped(run({ how: "", body: native, step }))
      assert.strictEqual(answer.status, 200)
      const { genkey, ...sent } = backend.calls[0]?.body ?? {}
      assert.include(JSON.stringify(sent), `memory ${canary}`)
      assert.notInclude(String(genkey), canary)
      assertNowhere([inHeaders(answer), metrics, exportedText(collector), ...lines])
    })
  )
})
