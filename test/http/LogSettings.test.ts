import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beginningOf } from "../support/BadSteps.ts"
import { dialectStream } from "../support/DialectStream.ts"
import { send, sendEvent } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"
import { postRaw } from "../support/Sse.ts"
import { surfaces } from "../support/Surfaces.ts"
import { eventually } from "../support/TestService.ts"

const event = { content: "the prompt itself" }

/** The log of a service that answered a good request, two bad ones and one that its backend failed, and then stopped. */
const logWith = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const lines = yield* Effect.scoped(
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService(settings)
      yield* sendEvent(url, event)
      yield* send(url, { path: "/nowhere" })
      const connection = yield* rawConnection(url)
      connection.write("what is this\r\n\r\n")
      yield* connection.closed
      backend.script({ chat: [{ status: 401 }] })
      yield* sendEvent(url, event)
      return lines
    })
  )
  const of = (wanted: boolean) =>
    lines.filter((line) => line.includes('"message":"request"') === wanted).map((line) => JSON.parse(line))
  return { text: lines.join("\n"), access: of(true).map(({ status }) => status), others: of(false).length }
})

describe.concurrent("the level of access lines", () => {
  it.live("is that of the log by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* logWith({})).access, [200, 404, 400, 502])
      assert.deepStrictEqual((yield* logWith({ LOG_LEVEL: "WARNING" })).access, [502])
    })
  )

  for (const variable of ["ACCESS_LOG_LEVEL", "WERKZEUG_LOG_LEVEL"]) {
    it.live(`is what ${variable} says, and the rest of the log stays`, () =>
      Effect.gen(function* () {
        const quieter = yield* logWith({ [variable]: "WARNING" })
        assert.deepStrictEqual(quieter.access, [502])
        assert.isAbove(quieter.others, 0)
        const silent = yield* logWith({ [variable]: "CRITICAL" })
        assert.deepStrictEqual(silent.access, [])
        assert.isAbove(silent.others, 0)
        const louder = yield* logWith({ [variable]: "INFO", LOG_LEVEL: "ERROR" })
        assert.deepStrictEqual(louder.access, [200, 404, 400, 502])
        assert.strictEqual(louder.others, 0)
      })
    )
  }

  it.live("is what the newer name says where both are set", () =>
    Effect.gen(function* () {
      const { access } = yield* logWith({ ACCESS_LOG_LEVEL: "INFO", WERKZEUG_LOG_LEVEL: "CRITICAL" })
      assert.deepStrictEqual(access, [200, 404, 400, 502])
    })
  )
})

describe.concurrent("prompt and completion", () => {
  it.live("are logged when AI_TICKET_LOG_CONTENT says so", () =>
    Effect.gen(function* () {
      const { text } = yield* logWith({ AI_TICKET_LOG_CONTENT: "true" })
      assert.include(text, "the prompt itself")
      assert.include(text, '"completion":" from chat "')
    })
  )

  for (const surface of surfaces) {
    it.live(`are logged for ${surface.name}, as far as a stream came`, () =>
      Effect.gen(function* () {
        const { backend, lines, url } = yield* startService({ AI_TICKET_LOG_CONTENT: "true" })
        for (const after of ["end", "reset"] as const) {
          const texts = ["so", " far"]
          const pieces = after === "end" ? dialectStream("1.104", surface.endpoint, texts) : beginningOf(surface, texts)
          backend.script({ [surface.endpoint]: [{ pieces, after }] })
          yield* postRaw(url, surface.path, surface.request)
        }
        const told = () => lines.map((line) => JSON.parse(line)).filter(({ message }) => message === "inference")
        yield* eventually(() => told().length === 2)
        for (const { completion, prompt, request_id } of told()) {
          assert.strictEqual(completion, "so far")
          assert.include(JSON.stringify(prompt), "p")
          assert.isString(request_id)
        }
      })
    )
  }

  it.live("aren't by default, however much else is", () =>
    Effect.gen(function* () {
      for (const settings of [{}, { LOG_LEVEL: "TRACE" }, { AI_TICKET_LOG_CONTENT: "false" }]) {
        const { text } = yield* logWith(settings)
        assert.notInclude(text, "the prompt itself")
        assert.notInclude(text, "from chat")
      }
    })
  )
})
