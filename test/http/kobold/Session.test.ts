import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Simulator } from "../../../src/simulator/Simulator.ts"
import { jsonIn, until } from "../../support/Http.ts"
import { testService } from "../../support/TestService.ts"
import { aborted, event, koboldClient, resultIn } from "./KoboldClient.ts"

/** The service in front of a simulator, and a client of each. */
const setUp = Effect.fnUntraced(function* (options: Parameters<typeof Simulator.layer>[0] = {}) {
  const simulator = Context.get(yield* Layer.build(Simulator.layer(options)), Simulator)
  const service = yield* testService({ KOBOLDCPP_API_URL: simulator.url, AI_TICKET_AUTH_TOKEN: "secret" })
  return { simulator, direct: koboldClient(simulator), client: koboldClient(service, "secret") }
})

for (const dialect of ["1.76", "1.104"] as const) {
  describe(`a client of KoboldCpp ${dialect}`, () => {
    it.live("finds the same behind the service as without it", () =>
      Effect.gen(function* () {
        const { client, direct } = yield* setUp({ dialect, tokensPerSecond: 0 })
        const paths = ["/api/v1/model", "/api/v1/info/version", "/api/extra/true_max_context_length"]
        for (const path of [...paths, "/api/v1/config/max_length", "/api/v1/config/max_context_length"]) {
          assert.deepStrictEqual(jsonIn(yield* client.get(path)), jsonIn(yield* direct.get(path)), path)
        }
        const count = { prompt: "How long is this text?" }
        assert.deepStrictEqual(
          jsonIn(yield* client.post("/api/extra/tokencount", count)),
          jsonIn(yield* direct.post("/api/extra/tokencount", count))
        )
        const asked = { prompt: "Once upon a time", max_length: 24, sampler_seed: 7 }
        const { finish_reason, text } = resultIn(yield* direct.generate(asked))
        assert.deepInclude(resultIn(yield* client.generate(asked)), { finish_reason, text })
        const streamed = yield* client.stream(asked)
        if (dialect === "1.104") assert.strictEqual(streamed.text, (yield* direct.stream(asked)).text)
        const tokens = [...streamed.text.matchAll(/"token": ("(?:[^"\\]|\\.)*")/g)].map(([, token]) =>
          JSON.parse(token ?? "")
        )
        assert.strictEqual(tokens.join(""), text)
        assert.isTrue(streamed.text.endsWith(event("", String(finish_reason))))
      })
    )

    it.live("polls while it is generated, aborts it, and finds what there was", () =>
      Effect.gen(function* () {
        const { client, simulator } = yield* setUp({ dialect, tokensPerSecond: 100 })
        const answer = yield* Effect.forkScoped(
          client.generate({ genkey: "KCPP1234", max_length: 4000, ban_eos_token: true })
        )
        const seen = yield* until(client.check("KCPP1234"), (text) => text.length > 20)
        const more = yield* until(client.check("KCPP1234"), (text) => text.length > seen.length)
        assert.isTrue(more.startsWith(seen))
        assert.strictEqual(yield* client.abort("KCPP1234"), aborted)
        const { finish_reason, text } = resultIn(yield* Fiber.join(answer))
        assert.strictEqual(finish_reason, "length")
        assert.isTrue(String(text).startsWith(more))
        assert.strictEqual(yield* client.check("KCPP1234"), text)
        const ledger = yield* simulator.until(
          ({ aborts, generations }) => aborts.length > 0 && generations[0]?.outcome !== "running"
        )
        // Its connection is closed and its abort is sent: it stops at whichever it hears of first.
        assert.include(["aborted", "disconnected"], ledger.generations[0]?.outcome)
        assert.deepStrictEqual(
          ledger.aborts.map(({ genkey }) => genkey),
          [ledger.generations[0]?.genkey]
        )
      })
    )
  })
}
