import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { jsonIn, send } from "../../support/Http.ts"
import { Running, running } from "../../support/Running.ts"
import { koboldClient } from "./KoboldClient.ts"

const empty = {
  "GET /api/extra/preloadstory": {},
  "GET /api/v1/config/soft_prompt": { value: "" },
  "GET /api/latest/config/soft_prompt": { value: "" },
  "GET /api/v1/config/soft_prompts_list": { values: [] },
  "GET /api/latest/config/soft_prompts_list": { values: [] },
  "GET /api/extra/last_logprobs": { logprobs: null },
  "POST /api/extra/last_logprobs": { logprobs: null },
  "POST /api/extra/websearch": [],
  "POST /api/extra/transcribe": { text: "" },
  "POST /api/extra/multiplayer/status": { error: "Multiplayer not enabled!" },
  "POST /api/extra/data/list": [],
  "POST /api/extra/data/load": { success: false, data: null },
  "GET /api/admin/list_options": [],
  "POST /api/admin/reload_config": { success: false },
  "POST /api/admin/check_state": { success: false, old_states: [], new_state_size: 0, new_tokens: 0 },
  "POST /api/admin/load_state": { success: false, new_tokens: 0 },
  "POST /api/admin/save_state": { success: false, new_state_size: 0, new_tokens: 0 },
  "POST /api/admin/clear_state": { success: false },
  "GET /sdapi/v1/sd-models": [],
  "GET /sdapi/v1/options": { samples_format: "png", sd_model_checkpoint: "inactive" },
  "GET /sdapi/v1/samplers": [],
  "GET /sdapi/v1/upscalers": [],
  "GET /sdapi/v1/latent-upscale-modes": []
}

it.layer(running(), { excludeTestServices: true })("what clients look for and don't find", (it) => {
  const ask = (url: string, route: string) => {
    const [method = "", path = ""] = route.split(" ")
    return send(url, { method, path, ...(method === "POST" ? { body: '{"q":"x"}' } : {}) })
  }
  for (const [route, body] of Object.entries(empty)) {
    it.effect(`${route} answers as a KoboldCpp without it`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const answer = yield* ask(url, route)
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual<unknown>(jsonIn(answer), body)
        assert.deepStrictEqual([backend.calls, backend.questions], [[], []])
      })
    )
  }

  for (const route of ["POST /api/extra/multiplayer/setstory", "POST /api/extra/data/save"]) {
    it.effect(`${route} says that it is not enabled`, () =>
      Effect.gen(function* () {
        const answer = yield* ask((yield* Running).url, route)
        assert.strictEqual(answer.status, 400)
        assert.match(answer.text, /^\{"success":false,"error":"\w+ not enabled!"\}$/)
      })
    )
  }

  for (const [route, type] of [
    ["POST /api/extra/tts", "audio/wav"],
    ["POST /api/extra/multiplayer/getstory", "application/json"]
  ] as const) {
    it.effect(`${route} answers with nothing`, () =>
      Effect.gen(function* () {
        const answer = yield* ask((yield* Running).url, route)
        assert.deepStrictEqual([answer.status, answer.text, answer.headers["content-type"]], [200, "", type])
      })
    )
  }

  const unknown = ["/api", "/api/v1", "/api/tags", "/api/extra/unheard-of", "/sdapi/v1/txt2img", "/api/v1/model/"]
  for (const path of unknown) {
    it.effect(`${path} is no route`, () =>
      Effect.gen(function* () {
        const answer = yield* koboldClient(yield* Running).get(path)
        assert.strictEqual(answer.status, 404)
        const told = { msg: "There is no such route.", type: "bad_input", error: "not_found" }
        assert.deepStrictEqual(
          jsonIn(answer)[path === "/api" ? "error" : "detail"],
          path === "/api" ? "not_found" : told
        )
      })
    )
  }
})
