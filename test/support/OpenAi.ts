import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import OpenAI, { type ClientOptions } from "openai"
import { startService } from "./Running.ts"

/** OpenAI's own client, as its users set it up: another base URL, one of our tokens as the key. It repeats nothing. */
export const clientOf = (url: string, options: ClientOptions = {}): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "any-key", maxRetries: 0, logLevel: "off", ...options })

/** A service, its backend, and a client of it. */
export const openAiService = Effect.fnUntraced(function* (
  settings: Readonly<Record<string, string>> = {},
  options: ClientOptions = {}
) {
  const service = yield* startService(settings)
  return { ...service, client: clientOf(service.url, options) }
})

/** What a call of the client comes to. */
export const asked = <A>(call: () => PromiseLike<A>): Effect.Effect<A> => Effect.promise(async () => call())

/** All that an async iterable gives. */
export const collected = <A>(call: () => PromiseLike<AsyncIterable<A>>): Effect.Effect<ReadonlyArray<A>> =>
  asked(async () => {
    const all: Array<A> = []
    for await (const one of await call()) all.push(one)
    return all
  })

/** The error that a call of the client ends with, which is one of the given class. */
export const refusedWith = <E extends Error>(
  kind: abstract new (...args: never) => E,
  call: () => PromiseLike<unknown>
): Effect.Effect<E> =>
  asked(() =>
    call().then(
      () => assert.fail("the client took it"),
      (error: unknown) => (error instanceof kind ? error : assert.fail(`${kind.name} was expected, not ${error}`))
    )
  )
