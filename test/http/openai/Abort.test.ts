import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { APIError } from "openai"
import { asked, openAiService, refusedWith } from "../../support/OpenAi.ts"
import { streamOf } from "../../support/ScriptedBackend.ts"
import { eventually } from "../../support/TestService.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

const chatRequest = { model: "m", messages: [{ role: "user" as const, content: "hi" }] }
const textRequest = { model: "m", prompt: "hi" }

type World = Effect.Success<ReturnType<typeof openAiService>>

/** The backend hears of the end of its one generation, by its key, soon after `left`. */
const assertAborted = Effect.fnUntraced(function* ({ backend }: World, left: number) {
  yield* eventually(() => backend.aborts.length > 0 && backend.calls[0]?.closedEarlyAt !== undefined)
  assert.deepStrictEqual(
    backend.aborts.map(({ genkey }) => genkey),
    backend.calls.map(({ body }) => body["genkey"])
  )
  assert.isBelow((backend.aborts[0]?.at ?? Number.NaN) - left, promptness)
  assert.isBelow((backend.calls[0]?.closedEarlyAt ?? Number.NaN) - left, promptness)
})

/** Reads a stream's first text, then does something to it, and reads what is left. */
const afterFirstText = async <Chunk>(
  stream: AsyncIterable<Chunk>,
  isText: (chunk: Chunk) => boolean,
  act: () => void
): Promise<number> => {
  let more = 0
  let acted = false
  for await (const chunk of stream) {
    if (acted) more += 1
    else if (isText(chunk)) {
      acted = true
      act()
    }
  }
  return more
}

describe("a client that leaves a stream", () => {
  const hanging = { pieces: streamOf("chat").slice(0, 1), after: "hang" as const }

  it.live("of a chat, by its controller", () =>
    Effect.gen(function* () {
      const world = yield* openAiService()
      world.backend.script({ chat: [hanging, {}] })
      let left = Number.NaN
      const more = yield* asked(async () => {
        const stream = await world.client.chat.completions.create({ ...chatRequest, stream: true })
        return afterFirstText(
          stream,
          ({ choices }) => choices[0]?.delta.content === " from",
          () => {
            left = performance.now()
            stream.controller.abort()
          }
        )
      })
      assert.strictEqual(more, 0)
      yield* assertAborted(world, left)
      const next = yield* asked(() => world.client.chat.completions.create(chatRequest))
      assert.strictEqual(next.choices[0]?.message.content, " from chat ")
    })
  )

  it.live("of a text, by not reading on", () =>
    Effect.gen(function* () {
      const world = yield* openAiService()
      world.backend.script({ completion: [{ ...hanging, pieces: streamOf("completion").slice(0, 1) }] })
      const left = yield* asked(async () => {
        for await (const _ of await world.client.completions.create({ ...textRequest, stream: true })) break
        return performance.now()
      })
      yield* assertAborted(world, left)
    })
  )

  it.live("that has not begun, and an answer that comes whole", () =>
    Effect.gen(function* () {
      for (const stream of [true, false]) {
        const world = yield* openAiService()
        world.backend.script({ chat: [{ hang: true }] })
        const asker = yield* Effect.forkScoped(
          Effect.promise((signal) => world.client.chat.completions.create({ ...chatRequest, stream }, { signal })),
          { startImmediately: true }
        )
        yield* eventually(() => world.backend.calls.length === 1)
        const left = performance.now()
        yield* Fiber.interrupt(asker)
        yield* assertAborted(world, left)
      }
    })
  )
})

describe("a stream that breaks off", () => {
  it.live("is an error to the client, after what had come", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ chat: [{ pieces: streamOf("chat").slice(0, 1), after: "reset" }] })
      let read = ""
      const error = yield* refusedWith(APIError, async () => {
        for await (const chunk of await client.chat.completions.create({ ...chatRequest, stream: true })) {
          read += chunk.choices[0]?.delta.content ?? ""
        }
      })
      assert.strictEqual(read, " from")
      assert.deepInclude({ ...error }, { code: "api_connection_error", type: "server_error", param: null })
      assert.strictEqual(backend.calls.length, 1)
    })
  )
})
