import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { GenerationRequest } from "./GenerationRequest.ts"
import { type ModelLock, makeModelLock } from "./ModelLock.ts"
import { capacity, type SimulatorOptions } from "./Options.ts"
import { countTokens, StopReason } from "./Text.ts"
import { countSoFar, type Emit, makeTurn, paceOf, runTurn, type Turn } from "./Turn.ts"

/** What a turn at the model gave. */
export interface Generated {
  /**
   * `discarded`: an abort had come before its turn, so that it ended without a token. `disconnected`: nobody took its
   * stream any more.
   */
  readonly outcome: "completed" | "aborted" | "discarded" | "disconnected"
  readonly text: string
  readonly stopReason: StopReason
  /** Tokens that a stream has yet to send. */
  readonly unsent: ReadonlyArray<string>
  readonly promptTokens: number
  readonly completionTokens: number
}

/** What the server says to an abort: done at once, remembered for later, or not for this key. */
export interface AbortAnswer {
  readonly answer: "done" | "deferred" | "refused"
  /** The generation that was stopped; none ran, or it wasn't this one's, if there is none. */
  readonly generation: number | undefined
}

/** A key as a client sent it; null is a value that isn't a text, and no generation's key. */
export type AbortKey = string | null

/** The report that the server gives about its last generation and its load. */
export interface Performance {
  readonly generations: number
  readonly lastTokenCount: number
  readonly lastInputCount: number
  readonly stopReason: StopReason
  readonly queue: number
  readonly idle: boolean
  readonly uptimeSeconds: number
  /** Since a request for text last had its turn. */
  readonly idleSeconds: number
}

/** The model: one generation at a time or a few, a line before it, and the abort of whoever runs. */
export interface Engine {
  readonly lock: ModelLock
  /**
   * One generation, to be run within a turn of the lock. A stream hands out its text through `emit`, and ends early
   * when that is false. Any other is ended by an abort, and by `leaving` where the server would notice that: it ends
   * when the client has gone.
   */
  readonly generate: (
    id: number,
    request: GenerationRequest,
    emit: Emit,
    leaving?: Effect.Effect<void>
  ) => Effect.Effect<Generated>
  readonly abort: (key: AbortKey) => Effect.Effect<AbortAnswer>
  /** The text so far of the generation with that key, also after its end. */
  readonly check: (key: AbortKey) => Effect.Effect<string>
  readonly performance: Effect.Effect<Performance>
}

/** Builds the model at the pace that the options ask for. */
export const makeEngine = Effect.fnUntraced(function* (options: SimulatorOptions) {
  const { slots, waiting } = capacity(options)
  const lock = yield* makeModelLock(slots, waiting)
  const started = yield* Clock.monotonicTimeNanos
  const pace = paceOf(options)
  let running: Turn | undefined
  // The last turn stays readable after its end; a discarded generation leaves the one before it in place.
  let latest: Turn | undefined
  let latestKey: string | undefined
  let remembered: AbortKey | undefined
  let generations = 0
  let lastTurn = started
  let last = { tokens: 0, input: 0, stopReason: StopReason.none as StopReason }

  const textOf = (turn: Turn, count: number): string => turn.plan.tokens.slice(0, count).join("")

  const run = Effect.fnUntraced(function* (turn: Turn, promptTokens: number, emit: Emit) {
    const { length: completionTokens, outcome, stopReason, unsent } = yield* runTurn(turn, options, emit)
    last = { tokens: completionTokens, input: promptTokens, stopReason }
    const generated: Generated = {
      outcome,
      text: textOf(turn, completionTokens),
      stopReason,
      unsent,
      promptTokens,
      completionTokens
    }
    return generated
  })

  /** Whoever leaves ends his turn, which then comes to its end by itself. */
  const endedBy = (turn: Turn, leaving: Effect.Effect<void>) =>
    Effect.andThen(leaving, () => {
      turn.left = true
      return Effect.andThen(Deferred.succeed(turn.aborted, undefined), Effect.never)
    })

  // It never has the model. A stream doesn't know that, and sends what the model made last, which was for another.
  const discard = (stream: boolean, promptTokens: number): Generated => ({
    outcome: "discarded",
    text: "",
    stopReason: stream ? last.stopReason : StopReason.outOfTokens,
    unsent: latest?.plan.tokens.slice(0, latest.length) ?? [],
    promptTokens,
    completionTokens: 0
  })

  const engine: Engine = {
    lock,
    generate: (id, request, emit, leaving = Effect.never) =>
      Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
        lastTurn = now
        // A prompt that is too long loses its front, without a word.
        const promptTokens = Math.min(countTokens(request.prompt), options.contextLength - request.maxTokens)
        generations += 1
        latestKey = request.genkey
        if (request.genkey !== "" && remembered === request.genkey) {
          remembered = undefined
          return Effect.succeed(discard(request.stream, promptTokens))
        }
        const turn = makeTurn(id, request, options)
        running = turn
        latest = turn
        return Effect.ensuring(
          Effect.raceFirst(run(turn, promptTokens, emit), endedBy(turn, leaving)),
          Effect.sync(() => {
            running = undefined
          })
        )
      }),
    abort: (key) =>
      Effect.suspend(() => {
        const someoneWaits = lock.waiting() > 0
        if (key === "" ? !someoneWaits : key === latestKey) {
          if (running === undefined) return Effect.succeed<AbortAnswer>({ answer: "done", generation: undefined })
          return Effect.as(Deferred.succeed(running.aborted, undefined), {
            answer: "done",
            generation: running.id
          } satisfies AbortAnswer)
        }
        if (key === "" || !someoneWaits) {
          return Effect.succeed<AbortAnswer>({ answer: "refused", generation: undefined })
        }
        remembered = key
        return Effect.succeed<AbortAnswer>({ answer: "deferred", generation: undefined })
      }),
    check: (key) =>
      Effect.map(Clock.monotonicTimeNanos, (now) => {
        const visible = key === latestKey && (key !== "" || lock.waiting() === 0)
        return visible && latest !== undefined ? textOf(latest, countSoFar(latest, pace, now)) : ""
      }),
    performance: Effect.map(Clock.monotonicTimeNanos, (now) => ({
      generations,
      lastTokenCount: last.tokens,
      lastInputCount: last.input,
      stopReason: last.stopReason,
      queue: lock.waiting(),
      idle: lock.idle(),
      uptimeSeconds: Number(now - started) / 1e9,
      idleSeconds: Number(now - lastTurn) / 1e9
    }))
  }
  return engine
})
