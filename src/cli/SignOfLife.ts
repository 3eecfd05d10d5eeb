import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { monotonicMillis } from "../services/MonotonicClock.ts"

/** What a terminal echoes of Ctrl-C, at the end of the line. */
const echo = "^C"

/**
 * Tells on stderr, if that is a terminal, how long `self` has been waited for: in one line, which is gone when `self`
 * ends in whatever way. It is written over with spaces, so that no terminal has to know more than a carriage return.
 */
export const withSignOfLife = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Stdio.Stdio> =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    if (!(yield* stdio.stderrIsTerminal)) return yield* self
    // Whoever can't be told need not be.
    const write = (text: string) => Effect.ignore(Stream.run(Stream.succeed(text), stdio.stderr()))
    const start = yield* monotonicMillis
    let line = ""
    const tell = Effect.flatMap(monotonicMillis, (now) => {
      line = `Waiting, ${Math.round((now - start) / 1000)} s`
      return write(`\r${line}`)
    })
    const clear = Effect.suspend(() =>
      line === "" ? Effect.void : write(`\r${" ".repeat(line.length + echo.length)}\r`)
    )
    const telling = Effect.andThen(Effect.schedule(tell, Schedule.fixed("1 second")), Effect.never)
    return yield* Effect.ensuring(Effect.raceFirst(self, telling), clear)
  })
