import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { canary, echo, echoHeaders, everyHeader, goodToken, wrongToken } from "../../support/Canary.ts"
import { type Incoming, jsonIn, send } from "../../support/Http.ts"
import { exportedText, exportingTo, otlpReceiver } from "../../support/OtlpReceiver.ts"
import { startService } from "../../support/Running.ts"
import { type Step, streamOf } from "../../support/ScriptedBackend.ts"

const chat = {
  model: canary,
  messages: [
    { role: "system", content: `system ${canary}` },
    { role: "user", content: [{ type: "text", text: `part ${canary}` }], name: canary },
    { role: "assistant", tool_calls: [{ id: canary, type: canary, function: { name: canary, arguments: canary } }] },
    { role: "tool", content: canary, tool_call_id: canary }
  ],
  stop: [canary],
  user: canary,
  [canary]: { [canary]: canary }
}
const text = { model: canary, prompt: `prompt ${canary}`, suffix: canary }

interface Scenario {
  readonly how: string
  readonly path?: string
  readonly method?: string
  readonly body?: unknown
  readonly step?: Step
  readonly token?: string
  readonly settings?: Readonly<Record<string, string>>
}

const chatPath = "/v1/chat/completions"
const textPath = "/v1/completions"
const half = "\ud83c"

const refusals: ReadonlyArray<Scenario> = [
  { how: "broken JSON", body: `{"${canary}": "${canary}` },
  { how: "no object", body: [canary] },
  { how: "no messages", body: { ...chat, messages: canary } },
  { how: "a bare message", body: { ...chat, messages: [canary] } },
  { how: "no content", body: { ...chat, messages: [{ role: canary, [canary]: canary }] } },
  { how: "a bare part", body: { ...chat, messages: [{ role: "user", content: [canary] }] } },
  { how: "half a character", body: { ...chat, [canary]: `${canary}${half}` } },
  { how: "several answers", body: { ...chat, n: canary } },
  { how: "a wrong parameter", body: { ...chat, temperature: canary } },
  { how: "several prompts", path: textPath, body: { ...text, prompt: [canary, canary] } },
  { how: "a wrong token", body: chat, token: wrongToken },
  { how: "another method", body: chat, method: "PUT" },
  { how: "no route", path: `/v1/${canary}`, body: chat },
  { how: "no such model", path: `/v1/models/${canary}`, method: "GET" },
  { how: "too many bytes", body: chat, settings: { AI_TICKET_MAX_BODY_BYTES: "100" } },
  {
    how: "no time left",
    body: chat,
    step: { hang: true },
    settings: { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "0.1" }
  }
]

const steps: ReadonlyArray<readonly [string, Step]> = [
  ["401", { status: 401, body: echo, headers: echoHeaders }],
  ["422 in text", { status: 422, raw: canary, headers: echoHeaders }],
  ["500", { status: 500, body: echo, headers: echoHeaders }],
  ["a reset", { reset: true }],
  ["text", { raw: canary, headers: echoHeaders }],
  ["other JSON", { body: echo }],
  ["an error in its stream", { pieces: [`data: ${JSON.stringify({ error: echo })}\n\n`] }],
  ["nonsense in its stream", { pieces: [`data: ${canary}\n\n`] }]
]

const answered = steps.flatMap(
  ([how, step]): ReadonlyArray<Scenario> => [
    { how: `a backend that answers with ${how}`, body: chat, step },
    { how: `a backend that answers a stream with ${how}`, body: { ...chat, stream: true }, step },
    { how: `a backend that answers a text with ${how}`, path: textPath, body: text, step },
    { how: `a backend that tells of its models with ${how}`, path: "/v1/models", method: "GET", step }
  ]
)

/** What the service says to a scenario, and everything that it wrote meanwhile. */
const run = Effect.fnUntraced(function* (scenario: Scenario) {
  const { body, method = "POST", path = chatPath, settings = {}, step = {}, token = goodToken } = scenario
  const collector = yield* otlpReceiver()
  const { backend, lines, url } = yield* startService({
    ...exportingTo(collector),
    AI_TICKET_AUTH_TOKEN: goodToken,
    AI_TICKET_KOBOLDCPP_API_KEY: `key-${canary}`,
    LOG_LEVEL: "TRACE",
    ...settings
  })
  backend.script({ chat: [step], completion: [step], models: [step] })
  const answer = yield* send(url, {
    method,
    path: `${path}?${canary}`,
    headers: everyHeader({ authorization: `Bearer ${token}`, "content-type": "application/json" }),
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

describe.concurrent("what a client of OpenAI's API sends in confidence", () => {
  for (const scenario of [...refusals, ...answered]) {
    it.live(`is in no error, log line, metric, summary or export: ${scenario.how}`, () =>
      Effect.gen(function* () {
        const { answer, collector, lines, metrics } = yield* Effect.scoped(run(scenario))
        assert.isAtLeast(answer.status, 400)
        assert.property(jsonIn(answer), "error")
        assertNowhere([answer.text, inHeaders(answer), metrics, exportedText(collector), ...lines])
      })
    )
  }

  it.live("is not in the error of a stream that breaks off", () =>
    Effect.gen(function* () {
      const step = { pieces: [...streamOf("chat").slice(0, 1), `data: ${canary}\n\n`] }
      const { answer, collector, lines, metrics } = yield* Effect.scoped(
        run({ how: "", body: { ...chat, stream: true }, step })
      )
      assert.strictEqual(answer.status, 200)
      const [error] = answer.text.split("\n\n").filter((event) => event.startsWith('data: {"error"'))
      assert.include(error, "api_response_format_error")
      assertNowhere([error ?? "", inHeaders(answer), metrics, exportedText(collector), ...lines])
    })
  )

  it.live("reaches the backend, but for its user, and is in no log line, metric, summary or header of a success", () =>
    Effect.gen(function* () {
      const choice = { message: { content: canary }, finish_reason: canary }
      const step = { body: { model: canary, choices: [choice] } }
      const { answer, backend, collector, lines, metrics } = yield* Effect.scoped(run({ how: "", body: chat, step }))
      assert.strictEqual(answer.status, 200)
      const sent = backend.calls[0]?.body
      assert.include(JSON.stringify(sent?.["messages"]), canary)
      assert.notProperty(sent, "user")
      assertNowhere([inHeaders(answer), metrics, exportedText(collector), ...lines])
    })
  )
})
