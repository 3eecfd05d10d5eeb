import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type ErrorCode, errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { atRest } from "../../support/AtRest.ts"
import { badSteps, beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { until } from "../../support/Http.ts"
import { parseMetrics, sampleValue } from "../../support/Prometheus.ts"
import { rawBackend } from "../../support/RawBackend.ts"
import { Running, running } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually, testService } from "../../support/TestService.ts"

/** Milliseconds within which the backend must have heard of an end. */
const promptness = 250

const without = { AI_TICKET_RETRY_BUDGET_PERCENT: "0", AI_TICKET_RETRY_BUDGET_PER_SECOND: "0" }

/** Asks above a backend all of whose endpoints do the same, and that isn't known for failing. */
const ask = Effect.fnUntraced(function* (surface: Surface, step: Step, headers: Record<string, string> = {}) {
  const { backend, context, url } = yield* Running
  backend.script({})
  for (let answered = 0; answered < 2; answered++) yield* postRaw(url, surface.path, surface.request)
  backend.script({ chat: [step], completion: [step], generate: [step] })
  const [calls, aborts] = [backend.calls.length, backend.aborts.length]
  const answer = yield* postRaw(url, surface.path, surface.request, headers)
  const told = performance.now()
  return {
    ...answer,
    told,
    calls: () => backend.calls.slice(calls),
    aborts: () => backend.aborts.slice(aborts),
    rest: atRest(context)
  }
})

const assertFailed = (
  surface: Surface,
  answer: { readonly status: number; readonly text: string; readonly headers: Headers },
  code: ErrorCode
) => {
  assert.strictEqual(surface.codeIn(answer.text), code)
  assert.strictEqual(answer.status, errorCatalogue[code].status)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
}

layer(running(without), { excludeTestServices: true })("a stream", (it) => {
  for (const surface of surfaces) {
    const once: ReadonlyArray<{ readonly name: string; readonly step: Step; readonly code: ErrorCode }> = [
      { name: "is refused", step: { status: 400 }, code: "api_client_error" },
      { name: "is asked for with the wrong password", step: { status: 401 }, code: "api_authentication_error" },
      { name: "meets a 500", step: { status: 500 }, code: "api_server_error" },
      { name: "meets a closed connection", step: { reset: true }, code: "api_connection_error" },
      { name: "is answered with what isn't JSON", step: { raw: "<html>" }, code: "api_response_format_error" },
      { name: "is answered with other JSON", step: { body: {} }, code: "api_response_structure_error" },
      ...badSteps.map(({ code, name, step }) => ({ name, code, step: step(surface, []) }))
    ]
    for (const { code, name, step } of once) {
      it.effect(`of ${surface.name} that ${name} before its first token is an ordinary ${code}`, () =>
        Effect.gen(function* () {
          const answer = yield* ask(surface, step)
          assertFailed(surface, answer, code)
          yield* answer.rest
        })
      )
    }

    it.effect(`of ${surface.name} that is answered whole is read no further than any answer`, () =>
      Effect.gen(function* () {
        const answer = yield* ask(surface, { raw: "x".repeat(17 << 20) })
        assertFailed(surface, answer, "api_response_format_error")
        assert.include(answer.text, "its answer is larger than any answer should be")
        yield* answer.rest
      })
    )

    for (const { code, name, step } of badSteps) {
      it.effect(`of ${surface.name} that ${name} after a token tells ${code} in its last event`, () =>
        Effect.gen(function* () {
          const answer = yield* ask(surface, step(surface, ["so", " far"]))
          assert.strictEqual(answer.status, 200)
          const read = surface.read(answer.text)
          assert.deepStrictEqual(read, { text: "so far", finishReason: undefined, error: code, complete: true })
          yield* answer.rest
          // Nobody has begun it anew, and nobody goes on with it.
          assert.strictEqual(answer.calls().length, 1)
          assert.deepStrictEqual(
            answer.aborts().map(({ genkey }) => genkey),
            answer.calls().map(({ body }) => body["genkey"])
          )
        })
      )
    }

    const stalls: ReadonlyArray<readonly [string, Step]> = [
      ["before its head", { hang: true }],
      ["before its first token", { pieces: [], after: "hang" }]
    ]
    for (const [when, step] of stalls) {
      it.effect(`of ${surface.name} that stalls ${when} is a deadline_exceeded, and aborted`, () =>
        Effect.gen(function* () {
          const answer = yield* ask(surface, step, { "x-request-timeout": "0.1" })
          assertFailed(surface, answer, "deadline_exceeded")
          yield* assertAborted(answer)
        })
      )
    }

    it.effect(`of ${surface.name} that stalls after a token tells deadline_exceeded in its last event`, () =>
      Effect.gen(function* () {
        const step = { pieces: beginningOf(surface, ["so", " far"]), after: "hang" } as const
        const answer = yield* ask(surface, step, { "x-request-timeout": "0.1" })
        const read = surface.read(answer.text)
        assert.deepStrictEqual(read, {
          text: "so far",
          finishReason: undefined,
          error: "deadline_exceeded",
          complete: true
        })
        yield* assertAborted(answer)
      })
    )

    it.effect(`of ${surface.name} whose deadline comes isn't held up by a backend that hears no abort`, () =>
      Effect.gen(function* () {
        const backend = yield* rawBackend("never")
        const { context, url } = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...without })
        const given = Effect.map(Context.get(context, Metrics).render, (page) =>
          sampleValue(parseMetrics(page), "ai_ticket_backend_aborts_total", { backend: "koboldcpp", outcome: "failed" })
        )
        const answer = yield* postRaw(url, surface.path, surface.request, { "x-request-timeout": "0.1" })
        assertFailed(surface, answer, "deadline_exceeded")
        // The abort is under way, and has not been given up.
        yield* eventually(() => backend.requests.length === 2)
        assert.strictEqual(yield* given, 0)
        backend.crash()
        yield* until(given, (count) => count === 1)
        yield* atRest(context)
      })
    )
  }

  it.effect("of POST /event that ends without any text is a backend_error, and so is one of white space", () =>
    Effect.gen(function* () {
      const [surface] = surfaces
      if (surface === undefined) return
      for (const texts of [[""], [" ", "\n"]]) {
        const answer = yield* ask(surface, { pieces: dialectStream("1.104", surface.endpoint, texts) })
        assertFailed(surface, answer, "backend_error")
        assert.strictEqual(answer.aborts().length, 0)
      }
    })
  )
})

/** The backend hears of the end of its one generation soon after it was told. */
const assertAborted = Effect.fnUntraced(function* ({
  aborts,
  calls,
  rest,
  told
}: Effect.Success<ReturnType<typeof ask>>) {
  yield* eventually(() => aborts().length > 0)
  const [abort] = aborts()
  assert.strictEqual(abort?.genkey, calls()[0]?.body["genkey"])
  assert.isBelow((abort?.at ?? Number.NaN) - told, promptness)
  yield* rest
  assert.deepStrictEqual([calls().length, aborts().length], [1, 1])
})
