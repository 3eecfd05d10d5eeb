import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Lifecycle } from "../services/Lifecycle.ts"
import { Metrics } from "../services/Metrics.ts"
import { Readiness } from "../services/Readiness.ts"

/** `GET /health`: the process lives. */
const health = HttpRouter.add(
  "GET",
  "/health",
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    return HttpServerResponse.jsonUnsafe({ status: "healthy", shutdown_initiated: lifecycle.draining() })
  })
)

/** `GET /ready`: send work here, or don't. */
const ready = HttpRouter.add(
  "GET",
  "/ready",
  Effect.gen(function* () {
    const report = yield* Effect.flatMap(Readiness, (readiness) => readiness.report)
    return HttpServerResponse.jsonUnsafe(report, { status: report.ready ? 200 : 503 })
  })
)

/** `GET /metrics`, in Prometheus' text format. */
const metrics = HttpRouter.add(
  "GET",
  "/metrics",
  Effect.gen(function* () {
    const text = yield* Effect.flatMap(Metrics, (metrics) => metrics.render)
    return HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  })
)

export const operationsRoutes = Layer.mergeAll(health, ready, metrics)
