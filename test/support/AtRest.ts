import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Metrics } from "../../src/services/Metrics.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { until } from "./Http.ts"
import { parseMetrics, sampleValue } from "./Prometheus.ts"

/** Returns when a service has nothing in hand: nobody in line, no slot taken, no request in flight. */
export const atRest = (context: Context.Context<Metrics | WaitingLine>) => {
  const line = Context.get(context, WaitingLine)
  const inHand = Effect.gen(function* () {
    const samples = parseMetrics(yield* Context.get(context, Metrics).render)
    return [yield* line.waiting, yield* line.inUse, sampleValue(samples, "ai_ticket_http_requests_in_flight")]
  })
  return until(inHand, (counts) => counts.every((count) => count === 0))
}
