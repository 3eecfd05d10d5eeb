import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ErrorCode, errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { atRest } from "../../support/AtRest.ts"
import { badSteps } from "../../support/BadSteps.ts"
import { runningCounted } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { eventually } from "../../support/TestService.ts"
import { type WholeSurface, wholeSurfaces } from "../../support/WholeSurfaces.ts"
import { assertAsBefore } from "./AsBefore.ts"

/** Milliseconds within which the backend must have heard of an end. */
const promptness = 250

/** Asks above a backend all of whose endpoints do the same, and that isn't known for failing. */
const ask = Effect.fnUntraced(function* (surface: WholeSurface, step: Step, headers: Record<string, string> = {}) {
  const { backend, url } = yield* Running
  backend.script({})
  for (let answered = 0; answered < 2; answered++) yield* postRaw(url, surface.path, surface.request)
  backend.script({ chat: [step], completion: [step], generate: [step] })
  const [calls, aborts] = [backend.calls.length, backend.aborts.length]
  const answer = yield* postRaw(url, surface.path, surface.request, headers)
  return {
    ...answer,
    told: performance.now(),
    calls: () => backend.calls.slice(calls),
    aborts: () => backend.aborts.slice(aborts)
  }
})

type Asked = Effect.Success<ReturnType<typeof ask>>

const assertFailed = (surface: WholeSurface, answer: Asked, code: ErrorCode) => {
  assert.strictEqual(surface.codeIn(answer.text), code)
  assert.strictEqual(answer.status, errorCatalogue[code].status)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
}

/** The backend was asked once, and hears of the end of that soon after it was told. */
const assertAborted = Effect.fnUntraced(function* ({ aborts, calls, told }: Asked) {
  yield* eventually(() => aborts().length > 0)
  assert.isBelow((aborts()[0]?.at ?? Number.NaN) - told, promptness)
  const { context } = yield* Running
  yield* atRest(context)
  assert.strictEqual(calls().length, 1)
  assert.deepStrictEqual(
    aborts().map(({ genkey }) => genkey),
    calls().map(({ body }) => body["genkey"])
  )
})

const failures: ReadonlyArray<readonly [what: string, step: Step, code: ErrorCode]> = [
  ["is refused", { status: 400 }, "api_client_error"],
  ["is asked for with the wrong password", { status: 401 }, "api_authentication_error"],
  ["meets a 500", { status: 500 }, "api_server_error"],
  ["meets a closed connection", { reset: true }, "api_connection_error"],
  ["is broken off", { truncate: true }, "api_connection_error"],
  ["isn't JSON", { raw: "<html>" }, "api_response_format_error"],
  ["is other JSON", { body: {} }, "api_response_structure_error"]
]

layer(runningCounted, { excludeTestServices: true })("an answer that comes whole", (it) => {
  for (const surface of wholeSurfaces) {
    for (const [what, step, code] of failures) {
      it.effect(`of ${surface.name} that ${what} is a ${code}`, () =>
        Effect.gen(function* () {
          assertFailed(surface, yield* ask(surface, step), code)
          yield* assertAsBefore(surface)
        })
      )
    }

    const stalls = { "before its head": { hang: true }, "after its head": surface.midway([]) }
    for (const [when, step] of Object.entries<Step>({ ...stalls, midway: surface.midway(["so", " far"]) })) {
      it.effect(`of ${surface.name} that stalls ${when} is a deadline_exceeded, and aborted`, () =>
        Effect.gen(function* () {
          const answer = yield* ask(surface, step, { "x-request-timeout": "0.1" })
          assertFailed(surface, answer, "deadline_exceeded")
          yield* assertAborted(answer)
          yield* assertAsBefore(surface)
        })
      )
    }

    // Half of a stream at the backend is no answer, and isn't begun anew.
    if (surface.endpoint === "generate")
      for (const { code, name, step } of badSteps) {
        it.effect(`of ${surface.name} that ${name} after a token is a ${code}`, () =>
          Effect.gen(function* () {
            const answer = yield* ask(surface, step(surface, ["so", " far"]))
            assertFailed(surface, answer, code)
            assert.notInclude(answer.text, "so far")
            yield* assertAborted(answer)
            yield* assertAsBefore(surface)
          })
        )
      }
  }
})
