import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { until } from "./Http.ts"
import { Fibers } from "./LeftBehind.ts"
import { Running } from "./Running.ts"
import { openStream } from "./StreamingClient.ts"
import { eventually } from "./TestService.ts"
import { turns } from "./Turns.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

/** How long a client stays, in turns of the event loop, and of how many tokens. */
export const leaverFields = {
  tokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
  stays: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))
}

/** Clients that leave what they asked for, and what the backend has been called and has heard since. */
export const makeLeaver = Effect.fnUntraced(function* (
  { path, request }: { readonly path: string; readonly request: object },
  stays: number
) {
  const { backend, context, url } = yield* Running
  const line = Context.get(context, WaitingLine)
  const fibers = yield* Fibers
  const [calls, aborts] = [backend.calls.length, backend.aborts.length]
  const open = openStream(url, path, request)
  const called = () => backend.calls.slice(calls)
  const heard = () => backend.aborts.slice(aborts)
  return {
    ...{ called, heard, open },

    /** Leaves a generation, and the backend hears of it. */
    leave: Effect.fnUntraced(function* (client: Effect.Success<typeof open>) {
      yield* turns(stays)
      assert.isAbove(fibers.running(), fibers.atRest)
      const left = performance.now()
      client.leave()
      yield* eventually(() => heard().length > 0 && called()[0]?.closedEarlyAt !== undefined)
      assert.strictEqual(heard()[0]?.genkey, called()[0]?.body["genkey"])
      assert.isBelow((heard()[0]?.at ?? Number.NaN) - left, promptness)
      assert.isBelow((called()[0]?.closedEarlyAt ?? Number.NaN) - left, promptness)
    }),

    /** One generates, and another leaves the line behind it. */
    leaveLine: Effect.gen(function* () {
      const first = yield* open
      yield* eventually(() => called().length === 1)
      const second = yield* open
      yield* until(line.waiting, (waiting) => waiting === 1)
      yield* turns(stays)
      second.leave()
      yield* until(line.waiting, (waiting) => waiting === 0)
      assert.isFalse(first.broken())
      return first
    })
  }
})
