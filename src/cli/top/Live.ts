import type * as Cause from "effect/Cause"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { counted } from "../../domain/Counted.ts"
import { failure } from "../CommandFailure.ts"
import { type CannotWrite, style } from "../Output.ts"
import { printable } from "../Printable.ts"
import { originOf } from "../Server.ts"
import { paintWith } from "./Paint.ts"
import { type Section, sectionsOf } from "./Report.ts"
import { openScreen } from "./Screen.ts"
import { frame } from "./View.ts"
import type { Watched } from "./Watch.ts"

/** Returns when somebody wants to leave; Ctrl-C comes as a key, and is told as the signal is. */
const leaving = (keys: Queue.Dequeue<Terminal.UserInput, Cause.Done>) =>
  Queue.take(keys).pipe(
    Effect.matchEffect({
      // Escape and Ctrl-D end the keys, and so does a terminal that is gone.
      onFailure: () => Effect.succeed(true),
      onSuccess: ({ key }) =>
        key.ctrl && key.name === "c"
          ? Effect.fail(failure("interrupted", ""))
          : Effect.succeed(!key.ctrl && !key.meta && key.name === "q")
    }),
    Effect.repeat({ until: (left) => left })
  )

/** Shows what is watched on the whole terminal, until somebody leaves. */
export const live = <E, R>(
  serverUrl: string,
  watching: (told: (watched: Watched) => Effect.Effect<void, CannotWrite>) => Effect.Effect<never, E, R>
) =>
  Effect.gen(function* () {
    const { canColor, canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
    const stdio = yield* Stdio.Stdio
    const terminal = yield* Terminal.Terminal
    const look = yield* style
    const paint = paintWith(canColor)
    const origin = originOf(serverUrl)
    const keys = canPrompt ? leaving(yield* terminal.readInput) : Effect.never
    const screen = yield* openScreen
    let sections: ReadonlyArray<Section> = []
    let footer = `${origin}  connecting`

    const draw = Effect.gen(function* () {
      const room = { columns: yield* terminal.columns, rows: yield* terminal.rows }
      yield* screen.draw(frame(sections, `q leaves  ${footer}`, room, look))
    }).pipe(Effect.provideService(Stdio.Stdio, stdio))

    const told = (watched: Watched) => {
      if (watched._tag === "Summary") {
        sections = sectionsOf(watched.summary, paint)
        footer = origin
      } else {
        const seconds = Math.ceil(watched.retryMillis / 1000)
        const stale = paint("critical", "NOT UP TO DATE")
        footer = `${stale}, next try in ${counted(seconds, "second")}: ${printable(watched.why)}`
      }
      return draw
    }

    const redrawing = Stream.runForEach(Stream.fromQueue(yield* terminal.size), () => draw)
    yield* draw
    yield* Effect.raceAllFirst([Effect.asVoid(keys), watching(told), Effect.andThen(redrawing, Effect.never)])
  }).pipe(Effect.scoped)
