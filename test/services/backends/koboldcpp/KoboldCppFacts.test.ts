import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { BackendErrorCode } from "../../../../src/domain/ErrorCatalogue.ts"
import { nativeQuestions } from "../../../../src/services/InferenceBackend.ts"
import { eventuallyLive } from "../../../support/Eventually.ts"
import { forked } from "../../../support/Forked.ts"
import { koboldCppAt } from "../../../support/KoboldCppHarness.ts"
import { closedPort } from "../../../support/RawBackend.ts"
import { type Step, scriptedBackend } from "../../../support/ScriptedBackend.ts"
import { eventually } from "../../../support/TestService.ts"

const factsAt = (url: string, settings?: Readonly<Record<string, string>>) =>
  Effect.flatMap(koboldCppAt(url, settings), ({ backend: { native, status } }) =>
    native === undefined ? Effect.die("it is no KoboldCpp") : Effect.succeed({ ...native, status })
  )

/** Where each question is asked, what may come back, and what of it is passed on. */
const answers = {
  model: ["/api/v1/model", { result: "koboldcpp/model", more: 1 }, { result: "koboldcpp/model" }],
  apiVersion: ["/api/v1/info/version", { result: "1.2.5" }, { result: "1.2.5" }],
  version: ["/api/extra/version", { version: "1.104", vision: true }, { version: "1.104", vision: true }],
  performance: ["/api/extra/perf", { queue: 1, uptime: 2.5 }, { queue: 1, uptime: 2.5 }],
  trueContextLength: ["/api/extra/true_max_context_length", { value: 8192, more: 1 }, { value: 8192 }],
  contextLength: ["/api/v1/config/max_context_length", { value: 4096 }, { value: 4096 }],
  answerLength: ["/api/v1/config/max_length", { value: 512 }, { value: 512 }]
} as const

describe("what a KoboldCpp says of itself", () => {
  for (const question of nativeQuestions) {
    const [path, body, told] = answers[question]
    it.live(`${question}: its answer at ${path}, asked with the password`, () =>
      Effect.gen(function* () {
        const server = yield* scriptedBackend
        server.tell({ [path]: { body } })
        const facts = yield* factsAt(server.url, { AI_TICKET_KOBOLDCPP_API_KEY: "pass" })
        assert.deepStrictEqual<unknown>(yield* facts.info(question), told)
        assert.deepStrictEqual(
          server.questions.map(({ headers, path }) => [path, headers.authorization]),
          [[path, "Bearer pass"]]
        )
      })
    )

    if (question !== "performance") {
      it.live(`${question}: nothing but that`, () =>
        Effect.gen(function* () {
          const server = yield* scriptedBackend
          const facts = yield* factsAt(server.url)
          for (const odd of [{}, { result: 1, value: "1", version: null }, [body]]) {
            server.tell({ [path]: { body: odd } })
            assert.strictEqual((yield* Effect.flip(facts.info(question))).code, "api_response_structure_error")
          }
        })
      )
    }
  }

  it.live("counts the tokens of a text", () =>
    Effect.gen(function* () {
      const server = yield* scriptedBackend
      server.tell({ "/api/extra/tokencount": { body: { value: 2, ids: [5, 6] } } })
      const facts = yield* factsAt(server.url)
      const fields = { prompt: "two words", special: false }
      assert.deepStrictEqual(yield* facts.countTokens(fields), { value: 2, ids: [5, 6] })
      assert.deepStrictEqual(server.questions[0]?.body, fields)
      server.tell({ "/api/extra/tokencount": { body: { value: 2 } } })
      assert.deepStrictEqual(yield* facts.countTokens(fields), { value: 2 })
      server.tell({ "/api/extra/tokencount": { body: { ids: [5, 6] } } })
      assert.strictEqual((yield* Effect.flip(facts.countTokens(fields))).code, "api_response_structure_error")
    })
  )

  const failures: ReadonlyArray<readonly [Step, BackendErrorCode]> = [
    [{ status: 401 }, "api_authentication_error"],
    [{ status: 404 }, "api_client_error"],
    [{ status: 503 }, "api_server_error"],
    [{ raw: "<html>" }, "api_response_format_error"],
    [{ raw: "null" }, "api_response_structure_error"],
    [{ raw: "[]" }, "api_response_structure_error"],
    [{ reset: true }, "api_connection_error"]
  ]
  for (const [step, code] of failures) {
    it.live(`is a failure that tells ${code} after ${JSON.stringify(step)}`, () =>
      Effect.gen(function* () {
        const server = yield* scriptedBackend
        server.tell({ [answers.model[0]]: step })
        const facts = yield* factsAt(server.url)
        const error = yield* Effect.flip(facts.info("model"))
        assert.deepInclude(error, { code, backend: "koboldcpp", endpoint: "info" })
      })
    )
  }

  it.live("is a failure when nothing listens", () =>
    Effect.gen(function* () {
      const facts = yield* factsAt(yield* closedPort)
      assert.strictEqual((yield* Effect.flip(facts.info("model"))).code, "api_connection_error")
    })
  )

  it.effect("is waited for two seconds, and the connection closed", () =>
    Effect.gen(function* () {
      const server = yield* scriptedBackend
      server.tell({ [answers.model[0]]: { hang: true } })
      const facts = yield* factsAt(server.url)
      const asked = yield* forked(Effect.flip(facts.info("model")))
      yield* eventuallyLive(() => server.questions.length === 1)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(asked)).reason, "no answer within 2 seconds")
      yield* eventuallyLive(() => server.openConnections() === 0)
    })
  )

  it.live("is asked for by few at once, so that aborts have a connection left", () =>
    Effect.gen(function* () {
      const server = yield* scriptedBackend
      const hang = { hang: true }
      server.tell({ [answers.model[0]]: hang, "/api/extra/tokencount": hang })
      const facts = yield* factsAt(server.url)
      for (let at = 0; at < 5; at++) {
        yield* Effect.forkScoped(facts.info("model"))
        yield* Effect.forkScoped(facts.countTokens({ prompt: "p" }))
      }
      yield* eventually(() => server.questions.length >= 6)
      // What was sent before it has come when this is answered.
      yield* facts.status
      assert.deepStrictEqual(
        ["/api/v1/model", "/api/extra/tokencount"].map(
          (path) => server.questions.filter((question) => question.path === path).length
        ),
        [3, 3]
      )
    })
  )
})
