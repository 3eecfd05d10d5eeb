import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { configFile } from "../support/ConfigFile.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, greetedService } from "../support/TestService.ts"

/** Where a backend is told of: without /api, which every KoboldCpp has. */
const base = (url: string) => url.replace(/\/api$/, "")

/** A backend whose port nobody listens on any more. */
const refusing = Effect.scoped(Effect.map(scriptedBackend, ({ url }) => url))

/** What the log says of the backends once it has said something of so many. */
const told = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>, backends = 1) {
  const { lines } = yield* greetedService(settings)
  const said = () =>
    lines
      .map((line): { readonly level: string; readonly message: string } => JSON.parse(line))
      .filter(({ message }) => message.startsWith("Backend "))
      .map(({ level, message }) => `${level} ${message}`)
  yield* eventually(() => said().length === backends)
  return said()
})

describe("the first look at a backend", () => {
  it.live("tells that it answers, and where", () =>
    Effect.gen(function* () {
      const { url } = yield* scriptedBackend
      assert.deepStrictEqual(yield* told({ KOBOLDCPP_API_URL: url }), [
        `INFO Backend koboldcpp at ${base(url)} answers`
      ])
    })
  )

  it.live("tells that nobody listens there", () =>
    Effect.gen(function* () {
      const url = yield* refusing
      assert.deepStrictEqual(yield* told({ KOBOLDCPP_API_URL: url }), [
        `WARNING Backend koboldcpp at ${base(url)} can't be used yet: connection refused.`
      ])
    })
  )

  it.live("tells that it wants another key", () =>
    Effect.gen(function* () {
      const { script, url } = yield* scriptedBackend
      script({ models: [{ status: 401 }] })
      assert.deepStrictEqual(yield* told({ KOBOLDCPP_API_URL: url, AI_TICKET_KOBOLDCPP_API_KEY: "wrong-key" }), [
        `WARNING Backend koboldcpp at ${base(url)} can't be used yet: it answered 401. It wants another key.`
      ])
    })
  )

  it.live("doubts that a server without KoboldCpp's routes is one", () =>
    Effect.gen(function* () {
      const { tell, url } = yield* scriptedBackend
      tell({ "/api/v1/models": { status: 404 } })
      assert.deepStrictEqual(yield* told({ KOBOLDCPP_API_URL: url }), [
        `WARNING Backend koboldcpp at ${base(url)} can't be used yet: it answered 404. Is it a KoboldCpp? Other servers stand in AI_TICKET_CONFIG, with kind: openai.`
      ])
    })
  )

  it.live("tells what the url of another server most likely lacks", () =>
    Effect.gen(function* () {
      const [{ tell, url }, other] = [yield* scriptedBackend, yield* scriptedBackend]
      tell({ "/api/models": { status: 404 } })
      const config = yield* configFile({
        backends: [
          { name: "lost", kind: "openai", url },
          { name: "found", kind: "openai", url: `${other.url}/v1` }
        ]
      })
      assert.sameMembers(yield* told({ AI_TICKET_CONFIG: config }, 2), [
        `WARNING Backend lost at ${url} can't be used yet: it answered 404. Most of these servers want a url that ends with /v1.`,
        `INFO Backend found at ${other.url}/v1 answers`
      ])
    })
  )
})

describe("a service that listens on a network", () => {
  const warnings = (settings: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { url } = yield* scriptedBackend
      const { lines } = yield* greetedService({ KOBOLDCPP_API_URL: url, ...settings })
      return lines.filter((line) => line.includes("AI_TICKET_HOST"))
    })

  it.live("tells that everybody is let in while no token is set", () =>
    Effect.gen(function* () {
      const [warning, ...more] = yield* warnings({ AI_TICKET_HOST: "0.0.0.0" })
      assert.include(warning, "AI_TICKET_HOST is 0.0.0.0 and no token is set: whoever reaches this port is let in.")
      assert.deepStrictEqual(more, [])
    })
  )

  it.live("says nothing of it with a token, nor where only this machine gets in", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* warnings({ AI_TICKET_HOST: "0.0.0.0", AI_TICKET_AUTH_TOKEN: "secret" }), [])
      for (const host of ["127.0.0.1", "127.0.0.2", "localhost"]) {
        assert.deepStrictEqual(yield* warnings({ AI_TICKET_HOST: host }), [])
      }
    })
  )
})
