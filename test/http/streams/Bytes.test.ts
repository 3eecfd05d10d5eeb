import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { dialectStream, dialects } from "../../support/DialectStream.ts"
import { Running, running } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"

/** Characters of each length in UTF-8, and text that looks like the end of an event. */
const texts = ["Hé", " €\n", "😀", "data: x\n\ndata: [DONE]\n\n", " end"]

const ask = Effect.fnUntraced(function* (surface: Surface, step: Step) {
  const { backend, url } = yield* Running
  backend.script({ [surface.endpoint]: [step] })
  const aborts = backend.aborts.length
  const answer = yield* postRaw(url, surface.path, surface.request)
  assert.strictEqual(answer.status, 200)
  assert.strictEqual(backend.aborts.length, aborts)
  return surface.masked(answer.text)
})

layer(running(), { excludeTestServices: true })("the bytes of a stream", (it) => {
  for (const surface of surfaces) {
    for (const dialect of dialects) {
      const pieces = dialectStream(dialect, surface.endpoint, texts)

      it.effect(`of ${surface.name}, above a KoboldCpp ${dialect}`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* ask(surface, { pieces }), surface.whole(texts))
        })
      )

      it.effect(`of ${surface.name}, above a KoboldCpp ${dialect} whose bytes come one by one`, () =>
        Effect.gen(function* () {
          const bytes = Array.from(Buffer.from(pieces.join("")), (byte) => Buffer.of(byte))
          assert.strictEqual(yield* ask(surface, { pieces: bytes }), surface.whole(texts))
        })
      )

      it.effect(`of ${surface.name}, above a KoboldCpp ${dialect} whose bytes come all at once`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* ask(surface, { pieces: [pieces.join("")] }), surface.whole(texts))
        })
      )
    }

    it.effect(`of ${surface.name}, above a backend that answers whole`, () =>
      Effect.gen(function* () {
        const choice = { index: 0, finish_reason: "stop", message: { content: "all of it" }, text: "all of it" }
        const body = { model: "koboldcpp/scripted", choices: [choice], results: [choice] }
        assert.strictEqual(yield* ask(surface, { body }), surface.whole(["all of it"]))
      })
    )

    it.effect(`of ${surface.name}, above a backend that never closes its streams`, () =>
      Effect.gen(function* () {
        const pieces = dialectStream("1.104", surface.endpoint, texts)
        assert.strictEqual(yield* ask(surface, { pieces, after: "hang" }), surface.whole(texts))
      })
    )

    it.effect(`of ${surface.name}: its head`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        backend.script({})
        const { headers } = yield* postRaw(url, surface.path, surface.request, { "x-request-id": "mine" })
        assert.strictEqual(headers.get("content-type"), "text/event-stream; charset=utf-8")
        assert.strictEqual(headers.get("cache-control"), "no-cache")
        assert.strictEqual(headers.get("x-accel-buffering"), "no")
        assert.strictEqual(headers.get("x-request-processed-by"), "ai-ticket")
        assert.strictEqual(headers.get("x-request-id"), "mine")
        assert.strictEqual(headers.get("content-length"), null)
        assert.include(backend.calls.at(-1)?.body, { stream: true })
        assert.match(headers.get("server-timing") ?? "", /^queue;dur=[\d.]+, backend;dur=[\d.]+, total;dur=[\d.]+$/)
      })
    )
  }
})
