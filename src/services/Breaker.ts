import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Stream from "effect/Stream"
import { BackendError } from "../domain/BackendError.ts"
import { NoBackendAvailable } from "../domain/Failure.ts"
import { isUnwell, judge } from "./BreakerOutcome.ts"
import { Breakers, lookBack } from "./Breakers.ts"
import { Deadline } from "./Deadline.ts"
import type { Ending } from "./Ending.ts"
import type { Health } from "./Health.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"
import type { BreakerState, ProbeOutcome } from "./Recorder.ts"
import { attribute, eventName } from "./telemetry/Names.ts"
import { told } from "./telemetry/Tracing.ts"

/**
 * The breaker in front of a backend. While it is open a request is told so at once, instead of standing in line for a
 * backend that is down.
 *
 * After 1 to 30 seconds somebody is let through to see. Where the backend is probed that is a probe: a backend that probes
 * had found silent is up again when one is answered, and one that failed at its requests gets one of them then. Where it
 * isn't probed it gets a request at once.
 *
 * Only what tells of the backend's health counts: a refused request or an odd answer does not.
 */
export interface Breaker {
  readonly guard: <A, R>(
    self: Effect.Effect<A, BackendError, R>
  ) => Effect.Effect<A, BackendError | NoBackendAvailable, R>
  readonly state: Effect.Effect<BreakerState>
  /** Fails while nothing would be let through: for asking before standing in line. */
  readonly check: Effect.Effect<void, NoBackendAvailable>
  /** Lets a probe through, which says whether the backend answered; undefined where a request has been let through to see. */
  readonly probe: (answers: Effect.Effect<boolean>) => Effect.Effect<ProbeOutcome | undefined>
  /** For how many milliseconds it lets nobody through; undefined while it isn't open. */
  readonly openFor: Effect.Effect<number | undefined>
  /** Comes when probes find that the backend has fallen silent: what is in hand there won't be answered either. */
  readonly lost: Ending<BackendError>
}

/** What a breaker is made for. */
export interface BreakerOptions {
  /** The backend's name, for the log and the metrics. */
  readonly backend: string
  /** This breaker's alone: another backend may have had the name before. */
  readonly key: string
  readonly health: Health
  /** Whether the backend is probed. */
  readonly probed: boolean
  /** Run when somebody may go through who might not before, or the other way round. */
  readonly turned: Effect.Effect<unknown>
}

/** A request whose time was up counts as met with silence if the backend had at least so much of it. */
const patienceMillis = 30_000

/** The breaker of one backend, for as long as the scope is open. */
export const makeBreaker = Effect.fnUntraced(function* ({ backend, health, key, probed, turned }: BreakerOptions) {
  const { failures, silences } = yield* Breakers
  const inHand = new Set<(error: BackendError) => void>()
  let failedAt: "a request" | "a probe" = "a request"
  let probing = false
  /** As it was last looked at: a request that comes when an open one's time is over must not go instead of a probe. */
  let turn: CircuitBreaker.State["_tag"] = "Closed"
  /**
   * Answers that it has yet to be told of. While it is closed they change nothing until something fails, and are most of
   * what happens: telling it of each would cost more than the rest of the inference.
   */
  let untold = 0
  /** How often it was found to have opened: what had begun before says nothing of what comes after. */
  let openings = 0
  let openUntil = Number.NEGATIVE_INFINITY

  const stored = Effect.orDie(failures.state(key))
  const lookAt = (now: number) =>
    Effect.map(stored, (state) => {
      turn = state._tag
      if (state._tag !== "Open" || Duration.isZero(state.retryAfter)) return
      const until = now + Duration.toMillis(state.retryAfter)
      // Each time it is open until later than the time before; the millisecond is for rounding.
      if (until > openUntil + 1) openings += 1
      openUntil = until
    })
  for (const { transitions } of [failures, silences]) {
    yield* transitions.pipe(
      Stream.filter((transition) => transition.key === key),
      Stream.runForEach(({ from, to }) =>
        Effect.gen(function* () {
          // Each probe of a backend that is down turns it twice.
          const told = !probed || from === "Closed" || to === "Closed"
          if (told) yield* Effect.logWarning(`Backend ${backend}: the breaker is ${states[to]}`)
          health.sooner.openUnsafe()
          yield* turned
        })
      ),
      Effect.forkScoped({ startImmediately: true })
    )
  }

  // Its time over, an open breaker that waits for a request must not keep it away; a probe comes by itself.
  const shut = (now: CircuitBreaker.State) => now._tag === "Open" && (probed || !Duration.isZero(now.retryAfter))
  /** A probe on its way lets nobody else through. */
  const halfOpen = () => (probing ? "open" : "half_open")
  const state = Effect.map(stored, (now) => (now._tag === "Closed" ? "closed" : shut(now) ? "open" : halfOpen()))

  const refused = (retryAfter: Duration.Duration) =>
    told(Effect.fail(unavailable(retryAfter)), eventName.breaker, { [attribute.backend]: backend })
  const check = Effect.flatMap(stored, (now) => {
    if (now._tag === "Open" && shut(now)) return refused(now.retryAfter)
    return now._tag === "HalfOpen" && probing ? refused(Duration.zero) : Effect.void
  })

  /** Notes how a request ended; whether it was met with silence. */
  const note = (exit: Exit.Exit<unknown, Refusal>, now: number, deadline: number, { begun, start }: Visit): boolean => {
    if (Exit.isSuccess(exit)) {
      health.good(now)
      return false
    }
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    const timedOut = Exit.hasInterrupts(exit) && now >= deadline && now - start >= patienceMillis
    if (!timedOut && (error?._tag !== "BackendError" || !isUnwell(error))) return false
    health.bad(now)
    if (begun !== openings) return false
    failedAt = "a request"
    return timedOut || (error?._tag === "BackendError" && error.late === true)
  }

  const tell = (exit: Exit.Exit<unknown, BackendError>) =>
    Effect.ignoreCause(failures.execute(exit, { key, classify: judge }))
  const catchUp = Effect.suspend(() => {
    const answers = Array.from({ length: untold }, () => Exit.void)
    untold = 0
    return Effect.forEach(answers, tell, { discard: true })
  })
  const strike = Effect.ignore(silences.execute(Effect.fail(silence), { key }))

  /** What a request that began while the breaker was closed has come to. What a turn came before says nothing. */
  const hear = (exit: Exit.Exit<unknown, BackendError>, { begun }: Visit) => {
    if (begun !== openings) return Effect.void
    if (Exit.isFailure(exit)) return Effect.andThen(catchUp, tell(exit))
    untold = Math.min(untold + 1, lookBack)
    return Effect.void
  }

  const guard: Breaker["guard"] = <A, R>(self: Effect.Effect<A, BackendError, R>) =>
    Effect.withFiber<A, BackendError | NoBackendAvailable, R>((fiber) => {
      if (turn === "Open" && probed) return refused(Duration.zero)
      const clock = fiber.getRef(Clock.Clock)
      const visit: Visit = { begun: openings, start: millisOf(clock) }
      const ended = (exit: Exit.Exit<unknown, Refusal>) => {
        const now = millisOf(clock)
        const silent = note(exit, now, fiber.getRef(Deadline), visit)
        return silent ? Effect.andThen(strike, lookAt(now)) : lookAt(now)
      }
      if (turn === "Closed") {
        return Effect.onExit(self, (exit) => {
          if (Exit.isFailure(exit)) return Effect.andThen(hear(exit, visit), ended(exit))
          health.good(millisOf(clock))
          return hear(exit, visit)
        })
      }
      return failures.execute(self, { key, classify: judge }).pipe(
        Effect.onExit((exit) => ended(exit)),
        Effect.catchTag("CircuitBreakerError", ({ reason }) =>
          refused(reason._tag === "CircuitOpen" ? reason.retryAfter : Duration.zero)
        )
      )
    })

  /** That it answers is no answer to what it failed at, unless that was a probe. */
  const judgeProbe = (exit: Exit.Exit<unknown, unknown>): CircuitBreaker.Outcome => {
    if (Exit.isFailure(exit)) return CircuitBreaker.failure()
    return failedAt === "a probe" ? CircuitBreaker.success : CircuitBreaker.ignored
  }

  const probe = Effect.fnUntraced(function* (answers: Effect.Effect<boolean>) {
    const asked = Effect.flatMap(answers, (answered) =>
      Effect.andThen(catchUp, answered ? Effect.void : Effect.fail(silence))
    )
    const exit = yield* Effect.exit(silences.execute(asked, { key, classify: judgeProbe }))
    const now = yield* monotonicMillis
    yield* lookAt(now)
    health.probed(now)
    if (Exit.isSuccess(exit)) {
      health.good(now)
      return "answered"
    }
    if (Option.getOrUndefined(Exit.findErrorOption(exit)) !== silence) return undefined
    failedAt = "a probe"
    health.bad(now)
    if ((yield* stored)._tag === "Open") for (const end of inHand) end(lostAt(backend))
    return "failed"
  })

  return {
    ...{ check, guard, state },
    openFor: Effect.map(stored, (now) => (now._tag === "Open" ? Duration.toMillis(now.retryAfter) : undefined)),
    lost: (end) => {
      inHand.add(end)
      return () => void inHand.delete(end)
    },
    probe: (answers) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          probing = true
        }),
        () => probe(answers),
        () =>
          Effect.suspend(() => {
            probing = false
            return turned
          })
      )
  } satisfies Breaker
})

/** When a request was let through: after how many openings, and the monotonic milliseconds. */
interface Visit {
  readonly begun: number
  readonly start: number
}

type Refusal = BackendError | CircuitBreaker.CircuitBreakerError

const silence = "silence"

const lostAt = (backend: string) =>
  new BackendError({
    ...{ code: "api_connection_error", backend, endpoint: "any", remedy: "retry" },
    reason: "it has stopped answering"
  })

const states = { Closed: "closed", HalfOpen: "half_open", Open: "open" } as const

/** A second where nobody knows: as soon as somebody has been let through. */
const unavailable = (retryAfter: Duration.Duration) =>
  new NoBackendAvailable({ retryAfterMillis: Duration.isZero(retryAfter) ? 1000 : Duration.toMillis(retryAfter) })
