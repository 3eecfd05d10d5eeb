import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { clientAddress } from "../domain/ClientAddress.ts"
import { errorCatalogue } from "../domain/ErrorCatalogue.ts"
import { clientClosedRequest } from "../services/ActivityRings.ts"
import { RequestRecord } from "../services/CurrentRequest.ts"
import { Ids } from "../services/Ids.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { Metrics } from "../services/Metrics.ts"
import { millisOf } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { CurrentSpan, Tracing } from "../services/telemetry/Tracing.ts"
import { makeAccessLog } from "./AccessLog.ts"
import { commonHeaders, round } from "./CommonHeaders.ts"
import { beginSpan, tellSpan } from "./RequestSpan.ts"
import { isInference, methodLabel, pathOf, routeLabel } from "./RouteTable.ts"

/** A request id that can stand in a log and a header without harm. */
const saneId = /^[A-Za-z0-9._:+/=@-]{1,128}$/

/** The trace id of a W3C `traceparent`. */
const traceparent = /^(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/

/** The two ends of every request: the record it begins with, and what is told of it when it is answered. */
export const makeObserve = Effect.gen(function* () {
  const { host: address, trustProxyCount } = yield* Settings
  const lifecycle = yield* Lifecycle
  const metrics = yield* Metrics
  const ids = yield* Ids
  const accessLog = yield* makeAccessLog

  const tracing = yield* Tracing

  const begin = (request: HttpServerRequest.HttpServerRequest, clock: Clock.Clock): RequestRecord => {
    metrics.httpStarted()
    const { headers } = request
    const fresh = ids.next()
    const asked = headers["x-request-id"]
    const traceId = fresh.replaceAll("-", "")
    const span = tracing === undefined ? undefined : beginSpan(tracing, request, { clock, traceId })
    return new RequestRecord({
      startedAt: millisOf(clock),
      span,
      id: asked !== undefined && saneId.test(asked) ? asked : fresh,
      traceId: span?.traceId ?? traceparent.exec(headers["traceparent"] ?? "")?.[1] ?? traceId,
      client: clientAddress({
        socket: Option.getOrUndefined(request.remoteAddress),
        forwardedFor: headers["x-forwarded-for"],
        proxies: trustProxyCount
      })
    })
  }

  /** Counts the request, writes its log line, and puts the common header fields on its response. */
  const finish = (
    record: RequestRecord,
    request: HttpServerRequest.HttpServerRequest,
    response: HttpServerResponse.HttpServerResponse,
    totalMillis: number
  ): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
    const { status } = response
    const method = methodLabel(request.method)
    const route = routeLabel(pathOf(request.url))
    // A stream that breaks off has begun with a 200.
    const broken = status === 200 ? record.error : undefined
    const outcome = broken === undefined ? status : errorCatalogue[broken].status
    metrics.httpEnded({ method, endpoint: route, status, broken, millis: totalMillis })
    const error = status === clientClosedRequest ? "client_closed_request" : record.error
    if (isInference(route)) {
      metrics.overhead(Math.max(0, totalMillis - record.backendMillis))
      metrics.ended({
        route,
        status: outcome,
        code: error ?? (status >= 400 ? "internal_error" : undefined),
        requestId: record.id,
        millis: totalMillis
      })
    }
    if (record.span?.sampled === true) {
      tellSpan(record.span, request, record, { method, route, status, outcome, address, error })
    }
    const logged = accessLog(outcome, {
      request_id: record.id,
      trace_id: record.traceId,
      method,
      route,
      status,
      duration_ms: round(totalMillis),
      queue_ms: round(record.queueMillis),
      backend_ms: round(record.backendMillis),
      backend: record.backend,
      client: record.client,
      error,
      details: record.details
    })
    return Effect.as(
      record.span?.sampled === true ? Effect.provideService(logged, CurrentSpan, record.span) : logged,
      HttpServerResponse.setHeaders(response, commonHeaders(record, totalMillis, lifecycle.leaving()))
    )
  }

  return { begin, finish }
})
