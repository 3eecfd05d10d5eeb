import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { GenerationRequest } from "./GenerationRequest.ts"
import type { SimulatorOptions } from "./Options.ts"
import { type Portion, planPortions } from "./Portions.ts"
import { planText, StopReason, type TextPlan } from "./Text.ts"

/** One generation while it has the model, and its text after that. */
export interface Turn {
  readonly id: number
  readonly plan: TextPlan
  readonly portions: ReadonlyArray<Portion>
  /** On the monotonic clock, once the prompt is read. */
  firstToken: bigint | undefined
  /** Tokens that a stream has handed out. */
  sent: number
  /** The number of tokens, set at the end: the text doesn't grow any more. */
  length: number | undefined
  readonly aborted: Deferred.Deferred<void>
  /** Whether it was aborted because its client has left. */
  left: boolean
}

/** A part of a stream's text, the moment that it is there. */
export interface Part {
  readonly tokens: ReadonlyArray<string>
  /** Whether the text ends with it. */
  readonly last: boolean
  /** Ends when the generation is aborted. */
  readonly aborted: Effect.Effect<void>
}

/** Takes a part of the text. False says that nobody takes any more, and ends the generation. */
export type Emit = (part: Part) => Effect.Effect<boolean>

/** How a turn ended. */
export interface TurnEnd {
  /** `disconnected`: nobody took the text any more. */
  readonly outcome: "completed" | "aborted" | "disconnected"
  readonly stopReason: StopReason
  readonly length: number
  /** Tokens at the end that came to be at an abort, and were given to nobody yet. */
  readonly unsent: ReadonlyArray<string>
}

/** Infinity if tokens come at once. */
export const paceOf = ({ tokensPerSecond }: SimulatorOptions): number =>
  tokensPerSecond === 0 ? Number.POSITIVE_INFINITY : tokensPerSecond

/** A request's turn at the model, with all that will be said in it, before it begins. */
export const makeTurn = (id: number, request: GenerationRequest, options: SimulatorOptions): Turn => {
  const plan = planText(request)
  return {
    id,
    plan,
    portions: request.stream ? planPortions(plan.tokens, paceOf(options), request.trimStop ? request.stop : []) : [],
    firstToken: undefined,
    sent: 0,
    length: undefined,
    aborted: Deferred.makeUnsafe<void>(),
    left: false
  }
}

/** How many tokens there are at that moment of the monotonic clock. */
export const countSoFar = ({ firstToken, length, plan, sent }: Turn, pace: number, now: bigint): number => {
  if (length !== undefined) return length
  if (firstToken === undefined) return 0
  // Infinity times no time at all is not a number.
  const elapsed = Math.max(1, Number(now - firstToken))
  // A timer may be early by a little, and what was sent can't be more than what there is.
  return Math.max(sent, Math.min(plan.tokens.length, Math.floor((elapsed * pace) / 1e9)))
}

/** Waits for so many milliseconds since the text began, or for the abort; tells whether it was the abort. */
const untilDue = Effect.fnUntraced(function* ({ aborted, firstToken = 0n }: Turn, millis: number) {
  const left = millis - Number((yield* Clock.monotonicTimeNanos) - firstToken) / 1e6
  if (left > 0) yield* Effect.timeoutOption(Deferred.await(aborted), left)
  return Deferred.isDoneUnsafe(aborted)
})

/** Makes the text at its pace. What has to be read of the prompt comes first, and nothing ends that early. */
export const runTurn = Effect.fnUntraced(function* (turn: Turn, options: SimulatorOptions, emit: Emit) {
  const pace = paceOf(options)
  const { plan, portions } = turn
  if (options.promptDelayMillis > 0) yield* Effect.sleep(options.promptDelayMillis)
  turn.firstToken = yield* Clock.monotonicTimeNanos
  let aborted = false
  let taken = true
  for (const [index, { dueMillis, tokens }] of portions.entries()) {
    aborted = yield* untilDue(turn, dueMillis)
    if (aborted) break
    turn.sent += tokens.length
    taken = yield* emit({ tokens, last: index === portions.length - 1, aborted: Deferred.await(turn.aborted) })
    aborted = Deferred.isDoneUnsafe(turn.aborted)
    if (aborted || !taken) break
  }
  if (taken && !aborted) aborted = yield* untilDue(turn, (plan.tokens.length / pace) * 1000)
  const cut = aborted || !taken
  const length = cut ? countSoFar(turn, pace, yield* Clock.monotonicTimeNanos) : plan.tokens.length
  turn.length = length
  const end: TurnEnd = {
    outcome: aborted && !turn.left ? "aborted" : taken && !turn.left ? "completed" : "disconnected",
    stopReason: cut ? StopReason.outOfTokens : plan.stopReason,
    length,
    unsent: plan.tokens.slice(turn.sent, length)
  }
  return end
})
