import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Dialect } from "../../src/simulator/Options.ts"
import { generate, get, withSimulator } from "./RawHttp.ts"

const dialects: ReadonlyArray<Dialect> = ["1.76", "1.104"]

describe.each(dialects)("what clients probe for, of %s", (dialect) => {
  const options = { dialect, tokensPerSecond: 0, contextLength: 2048 } as const
  const old = dialect === "1.76"

  it.live("is there under every name and prefix", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const maxLength = { value: old ? 180 : 896 }
        const answers: ReadonlyArray<readonly [string, unknown]> = [
          ["/api/v1/model", { result: "koboldcpp/simulated" }],
          ["/api/latest/model", { result: "koboldcpp/simulated" }],
          ["/api/v1/info/version", { result: "1.2.5" }],
          ["/api/latest/info/version", { result: "1.2.5" }],
          ["/api/v1/config/max_context_length", { value: 2048 }],
          ["/api/latest/config/max_context_length", { value: 2048 }],
          ["/api/v1/config/max_length", maxLength],
          ["/api/latest/config/max_length", maxLength],
          ["/api/v1/config/soft_prompt", { value: "" }],
          ["/api/latest/config/soft_prompts_list", { values: [] }],
          ["/api/extra/true_max_context_length", { value: 2048 }],
          ["/api/extra/preloadstory", {}],
          ["/sdapi/v1/sd-models", []]
        ]
        for (const [path, expected] of answers) {
          for (const asked of [path, `/any${path}/`]) {
            const { body, headers, status } = yield* get(simulator, asked)
            assert.deepStrictEqual([status, JSON.parse(body)], [200, expected], asked)
            assert.strictEqual(headers.get("content-length"), String(body.length))
          }
        }
      })
    )
  )

  it.live("says that there is nothing but text", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const version = JSON.parse((yield* get(simulator, "/api/extra/version")).body)
        const head = { result: "KoboldCpp", version: dialect, protected: false }
        assert.deepStrictEqual(
          version,
          old
            ? { ...head, txt2img: false, vision: false, transcribe: false }
            : {
                ...head,
                llm: true,
                txt2img: false,
                vision: false,
                audio: false,
                transcribe: false,
                multiplayer: false,
                websearch: false,
                tts: false,
                embeddings: false,
                savedata: false,
                admin: 0,
                guidance: false,
                jinja: false
              }
        )
        const statuses = yield* Effect.forEach(["/api/tags", "/api/version", "/api/ps"], (path) =>
          Effect.map(get(simulator, path), ({ status }) => status)
        )
        assert.deepStrictEqual(statuses, old ? [200, 404, 404] : [200, 200, 200])
        const { models } = JSON.parse((yield* get(simulator, "/api/tags")).body)
        assert.strictEqual(models.at(-1).model, "koboldcpp/simulated")
      })
    )
  )

  it.live("has the report about the last generation, at the pace that was asked for", () =>
    withSimulator({ ...options, tokensPerSecond: 200, promptDelayMillis: 20 }, (simulator) =>
      Effect.gen(function* () {
        const report = Effect.map(get(simulator, "/api/extra/perf"), ({ body }) => JSON.parse(body))
        const before = yield* report
        assert.deepInclude(before, { last_process: 0, last_eval: 0, total_gens: 0, stop_reason: -1, idle: 1 })
        yield* generate(simulator, { prompt: "one two", max_length: 10 })
        const { idletime, uptime, ...rest } = yield* report
        assert.isBelow(idletime, uptime)
        assert.deepStrictEqual(rest, {
          last_process: 10,
          last_eval: 5,
          last_token_count: 10,
          ...(!old && {
            last_input_count: 2,
            last_process_time: 0.02,
            last_eval_time: 0.05,
            last_process_speed: 100,
            last_eval_speed: 200
          }),
          last_seed: -1,
          ...(!old && { last_draft_success: 0, last_draft_failed: 0 }),
          total_gens: 1,
          stop_reason: 0,
          total_img_gens: 0,
          ...(!old && { total_tts_gens: 0, total_transcribe_gens: 0 }),
          queue: 0,
          idle: 1,
          hordeexitcounter: 0,
          quiet: false
        })
      })
    )
  )

  it.live("tells the model's name to who knows the password", () =>
    withSimulator({ ...options, password: Redacted.make("secret") }, (simulator) =>
      Effect.gen(function* () {
        const name = (headers: Readonly<Record<string, string>>) =>
          Effect.map(get(simulator, "/api/latest/model", { headers }), ({ body }) => JSON.parse(body).result)
        assert.strictEqual(yield* name({}), "koboldcpp/protected-model")
        assert.strictEqual(yield* name({ authorization: "Bearer secret" }), "koboldcpp/simulated")
        assert.strictEqual(JSON.parse((yield* get(simulator, "/api/extra/version")).body).protected, true)
      })
    )
  )
})
