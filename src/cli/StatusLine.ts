import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { monotonicMillis } from "../services/MonotonicClock.ts"

/** What a terminal echoes of Ctrl-C, at the end of the line. */
const echo = "^C"

/** What is told while something is waited for, and how often. */
export interface StatusLine<R> {
  readonly every: Duration.Input
  /** What there is to say after so many milliseconds. It must be printable and fit into a row. */
  readonly line: (elapsedMillis: number) => Effect.Effect<string, never, R>
}

/**
 * Tells on stderr, if that is a terminal, how `self` gets on: in one line, which is gone when `self` ends in whatever way.
 * It is written over with spaces, so that no terminal has to know more than a carriage return.
 */
export const withStatusLine =
  <R2>({ every, line }: StatusLine<R2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2 | Stdio.Stdio> =>
    Effect.gen(function* () {
      const stdio = yield* Stdio.Stdio
      if (!(yield* stdio.stderrIsTerminal)) return yield* self
      // Whoever can't be told need not be.
      const write = (text: string) => Effect.ignore(Stream.run(Stream.succeed(text), stdio.stderr()))
      const start = yield* monotonicMillis
      let width = 0
      const tell = Effect.gen(function* () {
        const text = yield* line((yield* monotonicMillis) - start)
        const covering = text.padEnd(width)
        width = text.length
        yield* write(`\r${covering}`)
      })
      const clear = Effect.suspend(() => (width === 0 ? Effect.void : write(`\r${" ".repeat(width + echo.length)}\r`)))
      const telling = Effect.andThen(Effect.schedule(tell, Schedule.fixed(every)), Effect.never)
      return yield* Effect.ensuring(Effect.raceFirst(self, telling), clear)
    })
