import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Generated } from "./Engine.ts"
import type { Ledger } from "./Ledger.ts"
import type { SimulatorOptions } from "./Options.ts"
import type { Outlet } from "./Outlet.ts"
import type { StreamWire } from "./StreamWire.ts"
import type { Emit } from "./Turn.ts"
import { finishReason, usageOf } from "./Wire.ts"

/** Writes one stream's events, and tells the ledger how far it got. All of it is false once the client is gone. */
export interface EventWriter {
  /** An event with these tokens, at once; none if they show nothing. */
  readonly write: (tokens: ReadonlyArray<string>) => Effect.Effect<boolean>
  /** The same, but the last part of a text waits for its end: one look finds both. */
  readonly emit: Emit
  /** What is left of the text, and why it ended. */
  readonly end: (generated: Generated) => Effect.Effect<boolean>
  /** An event that is no JSON. */
  readonly garbage: Effect.Effect<boolean>
  /** An event that tells of an error. */
  readonly error: Effect.Effect<boolean>
  /** Tokens written so far. */
  readonly written: () => number
}

const nowSeconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))

/** A writer for the generation with that id. */
export const makeEventWriter = (
  id: number,
  wire: StreamWire,
  outlet: Outlet,
  { ledger, options }: { readonly ledger: Ledger; readonly options: SimulatorOptions }
): EventWriter => {
  const { dialect } = options
  let begun = false
  let written = 0
  let held: ReadonlyArray<string> = []

  const put = Effect.fnUntraced(function* (bytes: string, tokens: number, now: number) {
    const opening = begun || bytes === "" ? "" : wire.opening(now)
    begun ||= bytes !== ""
    const here = bytes === "" || (yield* outlet.write(opening + bytes))
    if (!here) return false
    written += tokens
    yield* ledger.wrote(id, written)
    return true
  })

  const write = Effect.fnUntraced(function* (tokens: ReadonlyArray<string>) {
    const text = tokens.join("")
    const now = yield* nowSeconds
    return yield* put(text === "" ? "" : wire.text(text, now), tokens.length, now)
  })

  return {
    write,
    emit: ({ last, tokens }) => {
      if (!last) return write(tokens)
      held = tokens
      return Effect.succeed(true)
    },
    end: Effect.fnUntraced(function* (generated: Generated) {
      const tokens = [...held, ...generated.unsent]
      const ending = {
        ...{ text: tokens.join(""), reason: finishReason(dialect, generated) },
        usage: usageOf(dialect, generated)
      }
      const now = yield* nowSeconds
      return yield* put(wire.end(ending, now), tokens.length, now)
    }),
    garbage: outlet.write(wire.garbage),
    error: outlet.write(wire.error),
    written: () => written
  }
}
