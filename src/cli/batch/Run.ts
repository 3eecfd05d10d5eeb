import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { resultLine } from "../../domain/Batch.ts"
import { monotonicMillis } from "../../services/MonotonicClock.ts"
import { tell } from "../Output.ts"
import { type SamplingValues, samplingFields } from "../SamplingFlags.ts"
import { withStatusLine } from "../StatusLine.ts"
import { type AskOptions, makeAsk } from "./Ask.ts"
import { openInput } from "./Input.ts"
import { type OutputFlags, openOutput } from "./Output.ts"
import { progressLine, summary } from "./Report.ts"
import { makeCounter } from "./Tally.ts"

export interface BatchFlags extends OutputFlags, Omit<AskOptions, "defaults">, SamplingValues {
  readonly file: string
  readonly ordered: boolean
  readonly concurrency: number
}

/**
 * Runs a batch, and tells on stderr how far it is and what has come of it, however it ends. An event is counted when its
 * line is written, so that nothing that was reported can be lost.
 */
export const runBatch = Effect.fnUntraced(function* (flags: BatchFlags) {
  const input = yield* openInput(flags.file)
  const { earlier, write } = yield* openOutput(flags)
  const { ask, waiting } = makeAsk({ ...flags, defaults: samplingFields(flags) })
  const { count, skip, tally } = makeCounter()
  const total = (yield* shown(flags)) ? yield* input.count : undefined
  const terminal = yield* Terminal.Terminal
  const start = yield* monotonicMillis

  const work = input.events.pipe(
    Stream.filter(({ id }) => {
      const outcome = earlier.take(id)
      if (outcome !== undefined) skip(outcome)
      return outcome === undefined
    }),
    Stream.mapEffect(
      (event) => Effect.map(ask(event), (told) => ({ told, line: resultLine(event.index, event.id, told.body) })),
      { concurrency: flags.concurrency, unordered: !flags.ordered }
    ),
    Stream.runForEach(({ line, told }) =>
      Effect.andThen(
        write(line),
        Effect.sync(() => count(told))
      )
    )
  )
  const status = {
    every: "250 millis",
    line: (elapsedMillis: number) =>
      Effect.map(terminal.columns, (columns) =>
        progressLine({ columns, elapsedMillis, total, tally: tally(), waiting: waiting() })
      )
  } as const
  const observed = Effect.flatMap(shown(flags), (visible) => (visible ? withStatusLine(status)(work) : work))
  yield* Effect.onExit(
    observed,
    Effect.fnUntraced(function* (exit) {
      const { done, skipped } = tally()
      if (Exit.isFailure(exit) && done + skipped === 0) return
      yield* tell(summary(tally(), (yield* monotonicMillis) - start))
    })
  )
  return tally()
}, Effect.scoped)

/** Results on a terminal are a sign of life themselves, and would be mixed with it. */
const shown = ({ output }: OutputFlags) =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    return (yield* stdio.stderrIsTerminal) && (Option.isSome(output) || !(yield* stdio.stdoutIsTerminal))
  })
