import type * as Effect from "effect/Effect"
import { backendErrorCodes } from "../domain/BackendError.ts"
import type { ErrorCode } from "../domain/ErrorCatalogue.ts"
import type { Usage } from "../domain/Generation.ts"

export const attemptOutcomes = ["success", "aborted", "internal_error", ...backendErrorCodes] as const
/** How an attempt at a backend ended. */
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export const answerSources = ["hit", "joined", "miss", "bypassed"] as const
/**
 * Where an answer came from on a route that shares answers: one that was kept, a generation under way, a generation for
 * it, or one that nobody else may have.
 */
export type AnswerSource = (typeof answerSources)[number]

export const probeOutcomes = ["answered", "failed"] as const
/** Whether a backend answered when it was asked how it is. */
export type ProbeOutcome = (typeof probeOutcomes)[number]

/** An HTTP request that was answered. */
export interface HttpRequestRecord {
  /** One of the methods a server knows, or `other`. */
  readonly method: string
  /** The route's template, or `other`. */
  readonly endpoint: string
  readonly status: number
  /** How it broke off behind a head that had been sent already, with 200. */
  readonly broken?: ErrorCode | undefined
  readonly millis: number
}

/** Everything the service counts. Plain calls: they can't fail, and they are on every request's way. */
export interface Recorder {
  /** Brings the gauges up to date: before they are read is soon enough. */
  readonly gauges: Effect.Effect<void>
  /** A backend, its endpoints and whose make it is: their counters are there from now on, at zero, for a rate needs a beginning. */
  readonly announce: (backend: string, endpoints: ReadonlyArray<string>, provider: string) => void
  /** A backend that is in use no more: all series of that name go. */
  readonly forget: (backend: string) => void
  readonly httpStarted: () => void
  readonly httpEnded: (request: HttpRequestRecord) => void
  /** A request that Node's parser refused, so that it never was one in flight. */
  readonly httpRefused: (request: Omit<HttpRequestRecord, "broken" | "millis">) => void
  readonly attempt: (labels: {
    readonly backend: string
    readonly endpoint: string
    readonly outcome: AttemptOutcome
    readonly millis: number
  }) => void
  readonly retry: (backend: string, endpoint: string) => void
  readonly fallback: (backend: string) => void
  /** A second backend was asked beside a slow one: whether its answer was the first. */
  readonly hedge: (backend: string, outcome: "won" | "lost") => void
  /** A backend was asked how it is. */
  readonly probe: (backend: string, outcome: ProbeOutcome) => void
  /** A request on a route that shares answers. */
  readonly shared: (source: AnswerSource) => void
  readonly abort: (backend: string, outcome: "heard" | "failed") => void
  /** How to read how the line stands, here and, in milliseconds to wait, as a whole: done when the metrics are read. */
  readonly readLine: (
    counts: () => { readonly waiting: number; readonly inUse: number },
    expectedWait: Effect.Effect<number>
  ) => void
  readonly queueWait: (millis: number) => void
  /** How to read the state of a backend's breaker, which is done when the metrics are: time alone changes it. */
  readonly readBreaker: (backend: string, read: Effect.Effect<BreakerState>) => void
  readonly tokens: (backend: string, usage: Usage, endpoint: string) => void
  /** Tokens that a caller got, and tokens that were generated for nobody. */
  readonly delivered: (backend: string, tokens: number) => void
  readonly wasted: (backend: string, tokens: number) => void
  readonly firstToken: (backend: string, millis: number, endpoint: string) => void
  readonly overhead: (millis: number) => void
}

export const breakerStates = ["closed", "half_open", "open"] as const
/** Lets all through, one to see, or nobody. */
export type BreakerState = (typeof breakerStates)[number]
