import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { family } from "./MetricFamily.ts"
import {
  answerSources,
  attemptOutcomes,
  type BreakerState,
  breakerStates,
  type HttpRequestRecord,
  probeOutcomes,
  type Recorder
} from "./Recorder.ts"

/** Seconds, up to the default deadline and beyond: a slow model's answers must not all fall into +Inf. */
const slowSeconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600]

/** A recorder whose series are in the registry of that context, by the names that they have behind the namespace. */
export const makeRecorder = (context: Context.Context<never>): Recorder => {
  const counter = family(context, (name, description, attributes) =>
    Metric.counter(name, { description, attributes, incremental: true })
  )
  const gauge = family(context, (name, description, attributes) => Metric.gauge(name, { description, attributes }))
  const slow = family(context, (name, description, attributes) =>
    Metric.histogram(name, { description, attributes, boundaries: slowSeconds })
  )

  const requests = counter("http_requests_total", "HTTP requests answered", "method", "endpoint", "status")
  const requestErrors = counter(
    "http_request_errors_total",
    "HTTP requests answered with a 4xx or 5xx",
    "method",
    "endpoint",
    "status"
  )
  const brokenStreams = counter(
    "http_broken_streams_total",
    "Answers that began with a 200 and broke off, by the code told",
    "endpoint",
    "code"
  )
  const requestDuration = slow("http_request_duration_seconds", "Time to answer an HTTP request", "method", "endpoint")
  const inFlight = gauge("http_requests_in_flight", "HTTP requests being answered")
  const attempts = counter(
    "backend_attempts_total",
    "Attempts at a backend, by how they ended",
    "backend",
    "endpoint",
    "outcome"
  )
  const attemptDuration = slow(
    "backend_attempt_duration_seconds",
    "Time an attempt at a backend took",
    "backend",
    "endpoint"
  )
  const retries = counter(
    "backend_retries_total",
    "Attempts that repeated a failed one at the same endpoint",
    "backend",
    "endpoint"
  )
  const fallbacks = counter(
    "backend_fallbacks_total",
    "Times the next endpoint was tried after one had failed",
    "backend"
  )
  const hedges = counter(
    "backend_hedges_total",
    "Times a backend was asked beside a slow one, by who answered first",
    "backend",
    "outcome"
  )
  const probes = counter(
    "backend_probes_total",
    "Times a backend was asked how it is, by whether it answered",
    "backend",
    "outcome"
  )
  const shared = counter(
    "shared_answers_total",
    "Requests on routes that share answers, by where theirs came from",
    "source"
  )
  const aborts = counter(
    "backend_aborts_total",
    "Generations aborted because nobody waited for them any more",
    "backend",
    "outcome"
  )
  const queueDepth = gauge("queue_depth", "Requests waiting for a slot")
  const expectedWait = gauge("queue_expected_wait_seconds", "How long a request that came now would wait for its slot")
  const slotsInUse = gauge("slots_in_use", "Requests holding a slot")
  const queueWait = slow("queue_wait_seconds", "Time requests waited for their slot")
  const breakerState = gauge("backend_breaker_state", "1 for the state a backend's breaker is in", "backend", "state")
  const tokens = counter(
    "tokens_total",
    "Tokens the backends say they read (input) and wrote (output)",
    "backend",
    "direction"
  )
  const generated = counter(
    "generated_tokens_total",
    "Tokens generated, by whether a caller got them",
    "backend",
    "fate"
  )
  const firstToken = slow(
    "time_to_first_token_seconds",
    "Time until the caller could read the first token: the whole answer, where it isn't streamed",
    "backend"
  )
  const overhead = slow("overhead_seconds", "Time of a request that was not spent with a backend")

  const ofBackends = [
    ...[attempts, attemptDuration, retries, fallbacks, hedges, probes, aborts, breakerState],
    ...[tokens, generated, firstToken]
  ]

  for (const source of answerSources) shared.update(0, source)

  let running = 0
  let lineCounts = () => ({ waiting: 0, inUse: 0 })
  let lineWait: Effect.Effect<number> = Effect.succeed(0)
  const breakers = new Map<string, Effect.Effect<BreakerState>>()

  const countRequest = ({ endpoint, method, status }: Omit<HttpRequestRecord, "broken" | "millis">) => {
    requests.update(1, method, endpoint, String(status))
    if (status >= 400) requestErrors.update(1, method, endpoint, String(status))
  }

  return {
    gauges: Effect.gen(function* () {
      const { inUse, waiting } = lineCounts()
      inFlight.update(running)
      queueDepth.update(waiting)
      expectedWait.update((yield* lineWait) / 1000)
      slotsInUse.update(inUse)
      for (const [backend, read] of breakers) {
        const now = yield* read
        for (const state of breakerStates) breakerState.update(state === now ? 1 : 0, backend, state)
      }
    }),
    announce: (backend, endpoints) => {
      for (const endpoint of endpoints) {
        for (const outcome of attemptOutcomes) attempts.update(0, backend, endpoint, outcome)
        retries.update(0, backend, endpoint)
      }
      fallbacks.update(0, backend)
      for (const outcome of ["won", "lost"]) hedges.update(0, backend, outcome)
      for (const outcome of probeOutcomes) probes.update(0, backend, outcome)
      for (const outcome of ["heard", "failed"]) aborts.update(0, backend, outcome)
      for (const direction of ["input", "output"]) tokens.update(0, backend, direction)
      for (const fate of ["delivered", "wasted"]) generated.update(0, backend, fate)
    },
    forget: (backend) => {
      breakers.delete(backend)
      for (const { forget } of ofBackends) forget("backend", backend)
    },
    httpStarted: () => {
      running += 1
    },
    httpRefused: countRequest,
    httpEnded: ({ broken, endpoint, method, millis, status }) => {
      running -= 1
      countRequest({ endpoint, method, status })
      if (broken !== undefined) brokenStreams.update(1, endpoint, broken)
      requestDuration.update(millis / 1000, method, endpoint)
    },
    attempt: ({ backend, endpoint, millis, outcome }) => {
      attempts.update(1, backend, endpoint, outcome)
      attemptDuration.update(millis / 1000, backend, endpoint)
    },
    retry: (backend, endpoint) => retries.update(1, backend, endpoint),
    fallback: (backend) => fallbacks.update(1, backend),
    hedge: (backend, outcome) => hedges.update(1, backend, outcome),
    probe: (backend, outcome) => probes.update(1, backend, outcome),
    shared: (source) => shared.update(1, source),
    abort: (backend, outcome) => aborts.update(1, backend, outcome),
    readLine: (counts, wait) => {
      lineCounts = counts
      lineWait = wait
    },
    queueWait: (millis) => queueWait.update(millis / 1000),
    readBreaker: (backend, read) => {
      breakers.set(backend, read)
    },
    tokens: (backend, usage) => {
      tokens.update(usage.promptTokens, backend, "input")
      tokens.update(usage.completionTokens, backend, "output")
    },
    delivered: (backend, tokens) => generated.update(tokens, backend, "delivered"),
    wasted: (backend, tokens) => generated.update(tokens, backend, "wasted"),
    firstToken: (backend, millis) => firstToken.update(millis / 1000, backend),
    overhead: (millis) => overhead.update(millis / 1000)
  }
}
