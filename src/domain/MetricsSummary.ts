import * as Schema from "effect/Schema"

const Count = Schema.Finite
const Millis = Schema.Finite

const told = (description: string) => ({ description })

/** Of times in the window, in milliseconds; null where nothing was measured. The percentiles are right to a tenth. */
const Times = Schema.Struct({
  average: Schema.NullOr(Millis),
  p50: Schema.NullOr(Millis),
  p95: Schema.NullOr(Millis)
})

const panelStates = ["ok", "warning", "critical"] as const

/** How one thing stands, in a word and in a sentence. */
export const StatusPanel = Schema.Struct({
  id: Schema.Literals(["service", "backends", "queue", "errors"]),
  state: Schema.Literals(panelStates),
  text: Schema.String.annotate(told("For people: it may be put in other words"))
})
export type StatusPanel = typeof StatusPanel.Type

/**
 * The body of `GET /api/metrics/summary`, and the data of each event of `GET /api/metrics/stream`.
 *
 * Requests are those that ask a model for one thing, and the events of batches; not probes, and not this route's own.
 */
export const MetricsSummary = Schema.Struct({
  since: Schema.String.annotate(told("Since when totals and tokens are counted, in ISO 8601")),
  window_seconds: Schema.Int.annotate(told("How far back latency, first token and sparkline look")),
  panels: Schema.Array(StatusPanel),
  totals: Schema.Struct({
    requests: Count,
    succeeded: Count,
    client_errors: Count.annotate(told("Told a 4xx")),
    server_errors: Count.annotate(told("Told a 5xx, or broken off")),
    left: Count.annotate(told("The client left before its answer")),
    in_flight: Count.annotate(told("HTTP requests being answered now, of whatever kind"))
  }),
  latency_ms: Times.annotate(told("Of requests that succeeded; a stream's is the time to its end")),
  time_to_first_token_ms: Times.annotate(told("Where it isn't streamed, the whole answer's")),
  throughput: Schema.Struct({
    per_second: Schema.Finite.annotate(told("Requests ended, over the last ten seconds")),
    per_minute: Count.annotate(told("Requests ended in the last minute"))
  }),
  sparkline: Schema.Struct({
    point_seconds: Schema.Int,
    requests: Schema.Array(Count).annotate(told("24 points, the oldest first: requests that ended")),
    errors: Schema.Array(Count).annotate(told("Of them, those told a 4xx or 5xx")),
    latency_ms: Schema.Array(Schema.NullOr(Millis)).annotate(told("The average of those that succeeded"))
  }),
  tokens: Schema.Struct({
    input: Count.annotate(told("Read by the backends, by their own account")),
    output: Count.annotate(told("Written by them")),
    delivered: Count.annotate(told("What a caller got, streams too: not every backend tells of those itself")),
    wasted: Count.annotate(told("What was for nobody")),
    per_second: Schema.Finite.annotate(told("Delivered and wasted, over the last minute"))
  }),
  queue: Schema.Struct({
    waiting: Count,
    in_use: Count.annotate(told("Slots that are held")),
    slots: Count,
    limit: Count.annotate(told("How many may wait")),
    expected_wait_seconds: Schema.Finite
  }),
  backends: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      state: Schema.Literals(["up", "down"]),
      breaker: Schema.String,
      health: Schema.Literals(["good", "failing", "unknown"]).annotate(told("What was heard of it of late")),
      in_use: Count,
      slots: Count,
      queue: Schema.optionalKey(Count).annotate(told("Requests that wait inside the backend, where it tells"))
    })
  ),
  recent_errors: Schema.Array(
    Schema.Struct({
      at: Schema.String.annotate(told("When it was answered, in ISO 8601")),
      code: Schema.String,
      route: Schema.String.annotate(told("The route's template")),
      status: Schema.Int,
      duration_ms: Millis,
      request_id: Schema.String
    })
  ).annotate(told("The last 20, the latest first"))
})
export type MetricsSummary = typeof MetricsSummary.Type
