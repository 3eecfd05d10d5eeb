import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { GenerationRequest } from "./GenerationRequest.ts"
import { type ModelLock, makeModelLock } from "./ModelLock.ts"
import type { SimulatorOptions } from "./Options.ts"
import { countTokens, planText, StopReason, type TextPlan } from "./Text.ts"

/** What a turn at the model gave. */
export interface Generated {
  /** `discarded`: an abort had come before its turn, so that it ended without a token. */
  readonly outcome: "completed" | "aborted" | "discarded"
  readonly text: string
  readonly stopReason: StopReason
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

interface Turn {
  readonly id: number
  readonly plan: TextPlan
  /** On the monotonic clock, once the prompt is read. */
  firstToken: bigint | undefined
  /** Set at the end: the text doesn't grow any more. */
  text: string | undefined
  readonly aborted: Deferred.Deferred<void>
}

/** The report that the server gives about its last generation and its load. */
export interface Performance {
  readonly generations: number
  readonly lastTokenCount: number
  readonly lastInputCount: number
  readonly stopReason: StopReason
  readonly queue: number
  readonly idle: boolean
  readonly uptimeSeconds: number
}

/** The model: one generation at a time, a line before it, and the abort of whoever runs. */
export interface Engine {
  readonly lock: ModelLock
  /** One generation, to be run within a turn of the lock. Clients that leave don't end it; only an abort does. */
  readonly generate: (id: number, request: GenerationRequest) => Effect.Effect<Generated>
  readonly abort: (key: AbortKey) => Effect.Effect<AbortAnswer>
  /** The text so far of the generation with that key, also after its end. */
  readonly check: (key: AbortKey) => Effect.Effect<string>
  readonly performance: Effect.Effect<Performance>
}

/** Builds the model at the pace that the options ask for. */
export const makeEngine = Effect.fnUntraced(function* (options: SimulatorOptions) {
  const lock = yield* makeModelLock(options.waiting)
  const started = yield* Clock.monotonicTimeNanos
  const pace = options.tokensPerSecond === 0 ? Number.POSITIVE_INFINITY : options.tokensPerSecond
  let running: Turn | undefined
  // The last turn stays readable after its end; a discarded generation leaves the one before it in place.
  let latest: Turn | undefined
  let latestKey: string | undefined
  let remembered: AbortKey | undefined
  let generations = 0
  let last = { tokens: 0, input: 0, stopReason: StopReason.none as StopReason }

  const tokensSoFar = (turn: Turn, now: bigint): number => {
    if (turn.firstToken === undefined) return 0
    // Infinity times no time at all is not a number.
    const elapsed = Math.max(1, Number(now - turn.firstToken))
    return Math.min(turn.plan.tokens.length, Math.floor((elapsed * pace) / 1e9))
  }
  const textSoFar = (turn: Turn, now: bigint): string =>
    turn.text ?? turn.plan.tokens.slice(0, tokensSoFar(turn, now)).join("")

  const run = Effect.fnUntraced(function* (turn: Turn, promptTokens: number) {
    if (options.promptDelayMillis > 0) yield* Effect.sleep(options.promptDelayMillis)
    turn.firstToken = yield* Clock.monotonicTimeNanos
    const millis = (turn.plan.tokens.length / pace) * 1000
    if (millis > 0) yield* Effect.timeoutOption(Deferred.await(turn.aborted), millis)
    const aborted = Deferred.isDoneUnsafe(turn.aborted)
    const tokens = aborted ? tokensSoFar(turn, yield* Clock.monotonicTimeNanos) : turn.plan.tokens.length
    turn.text = aborted ? turn.plan.tokens.slice(0, tokens).join("") : turn.plan.text
    const generated: Generated = {
      outcome: aborted ? "aborted" : "completed",
      text: turn.text,
      stopReason: aborted ? StopReason.outOfTokens : turn.plan.stopReason,
      promptTokens,
      completionTokens: tokens
    }
    last = { tokens, input: promptTokens, stopReason: generated.stopReason }
    return generated
  })

  const engine: Engine = {
    lock,
    generate: (id, request) =>
      Effect.suspend(() => {
        // A prompt that is too long loses its front, without a word.
        const promptTokens = Math.min(countTokens(request.prompt), options.contextLength - request.maxTokens)
        generations += 1
        latestKey = request.genkey
        if (request.genkey !== "" && remembered === request.genkey) {
          remembered = undefined
          return Effect.succeed<Generated>({
            outcome: "discarded",
            text: "",
            stopReason: StopReason.outOfTokens,
            promptTokens,
            completionTokens: 0
          })
        }
        const turn: Turn = {
          id,
          plan: planText(request),
          firstToken: undefined,
          text: undefined,
          aborted: Deferred.makeUnsafe<void>()
        }
        running = turn
        latest = turn
        return Effect.ensuring(
          run(turn, promptTokens),
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
        return visible && latest !== undefined ? textSoFar(latest, now) : ""
      }),
    performance: Effect.map(Clock.monotonicTimeNanos, (now) => ({
      generations,
      lastTokenCount: last.tokens,
      lastInputCount: last.input,
      stopReason: last.stopReason,
      queue: lock.waiting(),
      idle: lock.idle(),
      uptimeSeconds: Number(now - started) / 1e9
    }))
  }
  return engine
})
