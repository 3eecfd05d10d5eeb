import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type CutShort, type InferenceFailure, ShuttingDown } from "../../domain/Failure.ts"
import type { AnswerPart, EndPart } from "../../domain/Generation.ts"
import { CurrentRequest, ownerOf } from "../../services/CurrentRequest.ts"
import type { Ending } from "../../services/Ending.ts"
import { monotonicMillis } from "../../services/MonotonicClock.ts"
import { Fellows } from "../../services/workers/Fellows.ts"
import { type FoundText, type GenerationName, latestOf } from "../../services/workers/Packets.ts"
import { type Limits, makeShelf } from "./GenerationShelf.ts"

/** Whose generation it is, and what its client calls it; empty for one without a name. */
export type GenerationKey = GenerationName

/** How much of one text is kept, in characters: beyond that it is no answer to a prompt. */
const longestText = 1024 * 1024

/** Whose the request in hand is. */
export const currentOwner = Effect.map(CurrentRequest, (record) => (record === undefined ? "" : ownerOf(record)))

type Answer = Stream.Stream<AnswerPart, InferenceFailure>

/** What is kept of generations that have ended, so that their clients can still ask: the latest, for a minute. */
const limits: Limits = { generations: 100, characters: 8 * 1024 * 1024, millis: 60_000 }

/**
 * The generations that clients of KoboldCpp's protocol have started, by the names that they gave them. A name is its
 * client's own: what another calls the same is another.
 *
 * One client may use a name for several at once, as KoboldCpp lets it: the latest is looked at, and all are aborted.
 */
export class Generations extends Context.Service<
  Generations,
  {
    /**
     * A stream that is known by its key while it runs, and for a while after it. When it is aborted it ends as if it had
     * come to its length: whatever it was waiting for, it heeds the ending.
     */
    readonly follow: (key: GenerationKey, start: (ending: Ending<CutShort>) => Answer) => Answer
    /** The text up to now, or up to its end; nothing for a key that isn't known. */
    readonly textOf: (key: GenerationKey) => Effect.Effect<string>
    /** Ends what goes by that key; false for a key that isn't known. */
    readonly abort: (key: GenerationKey) => Effect.Effect<boolean>
    readonly counts: Effect.Effect<{ readonly running: number; readonly remembered: number }>
  }
>()("ai-ticket/http/kobold/Generations") {
  static readonly layer = Layer.effect(
    Generations,
    Effect.map(Fellows, (fellows) => {
      const shelf = makeShelf<Run>(limits)
      const nameOf = ({ genkey, owner }: GenerationKey) => `${owner}\n${genkey}`

      const begin = (key: GenerationKey) =>
        Effect.map(monotonicMillis, (now) => {
          const run = makeRun(now)
          shelf.begin(nameOf(key), run, now)
          return run
        })
      const end = (key: GenerationKey, run: Run) =>
        Effect.map(monotonicMillis, (now) => shelf.end(nameOf(key), run, now))

      const findHere = (key: GenerationKey) =>
        Effect.map(monotonicMillis, (now): FoundText | null => {
          const run = shelf.latest(nameOf(key), now)
          return run === undefined ? null : { text: run.text, ageMillis: now - run.begunAt }
        })
      const abortHere = (key: GenerationKey) =>
        Effect.map(monotonicMillis, (now) => {
          const known = shelf.latest(nameOf(key), now) !== undefined
          for (const run of shelf.running(nameOf(key))) run.abort()
          return known
        })
      fellows?.answer("text", findHere)
      fellows?.answer("abort", abortHere)

      return Generations.of({
        follow: (key, start) =>
          Stream.unwrap(
            Effect.map(
              Effect.acquireRelease(begin(key), (run) => end(key, run)),
              (run) =>
                start(run.ending).pipe(
                  Stream.map((part) => {
                    if (part._tag === "Text" && run.text.length < longestText) run.text += part.text
                    return part
                  }),
                  Stream.catch((failure) => (run.aborted ? Stream.succeed(cutOff) : Stream.fail(failure)))
                )
            )
          ),
        textOf: Effect.fnUntraced(function* (key) {
          const here = yield* findHere(key)
          const elsewhere = fellows === undefined ? null : yield* Effect.orDie(fellows.keeper.ask("text", key))
          return latestOf(here, elsewhere)?.text ?? ""
        }),
        abort: Effect.fnUntraced(function* (key) {
          const here = yield* abortHere(key)
          const elsewhere = fellows !== undefined && (yield* Effect.orDie(fellows.keeper.ask("abort", key)))
          return here || elsewhere
        }),
        counts: Effect.map(monotonicMillis, shelf.counts)
      })
    })
  )
}

/** KoboldCpp's word for whatever ended before the model did. */
const cutOff: EndPart = { _tag: "End", finishReason: "length" }

interface Run {
  text: string
  /** In monotonic milliseconds. */
  readonly begunAt: number
  readonly aborted: boolean
  readonly abort: () => void
  readonly ending: Ending<CutShort>
}

const makeRun = (begunAt: number): Run => {
  const told = new Set<(error: CutShort) => void>()
  let aborted = false
  return {
    ...{ text: "", begunAt },
    get aborted() {
      return aborted
    },
    abort: () => {
      aborted = true
      for (const end of told) end(carrier)
    },
    ending: (end) => {
      if (aborted) end(carrier)
      else told.add(end)
      return () => told.delete(end)
    }
  }
}

/** An ending needs an error to end with; nobody gets to see this one. */
const carrier = new ShuttingDown()
