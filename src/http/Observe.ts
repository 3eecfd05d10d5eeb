import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { clientAddress } from "../domain/ClientAddress.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { Metrics } from "../services/Metrics.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { CurrentStopwatch } from "../services/Stopwatch.ts"
import { CurrentRequest, RequestRecord } from "./RequestRecord.ts"
import { methodLabel, pathOf, routeLabel } from "./RouteTable.ts"

/** A request id that can stand in a log and a header without harm. */
const saneId = /^[A-Za-z0-9._:+/=@-]{1,128}$/

/** The trace id of a W3C `traceparent`. */
const traceparent = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/

/** A client that closed the connection before its answer, as nginx numbers it; nobody gets to see this status. */
const clientClosedRequest = 499

/**
 * The outermost layer of every request: gives it an id, and when it is answered, however that is, puts the common
 * header fields on the response, counts it and writes its log line.
 */
export const makeObserve = Effect.gen(function* () {
  const { accessLogLevel, logLevel, trustProxyCount } = yield* Settings
  const lifecycle = yield* Lifecycle
  const metrics = yield* Metrics
  const random = yield* SecureRandom.SecureRandom

  const identify = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    const asked = request.headers["x-request-id"]
    const trace = traceparent.exec(request.headers["traceparent"] ?? "")?.[1]
    const fresh = yield* random.uuidV4()
    return new RequestRecord({
      id: asked !== undefined && saneId.test(asked) ? asked : fresh,
      traceId: trace ?? fresh.replaceAll("-", ""),
      client: clientAddress({
        socket: Option.getOrUndefined(request.remoteAddress),
        forwardedFor: request.headers["x-forwarded-for"],
        proxies: trustProxyCount
      })
    })
  })

  const finish = Effect.fnUntraced(function* (
    record: RequestRecord,
    request: HttpServerRequest.HttpServerRequest,
    response: HttpServerResponse.HttpServerResponse,
    start: number
  ) {
    const total = (yield* monotonicMillis) - start
    const { backend, queue } = record.stopwatch.millis
    const endpoint = routeLabel(pathOf(request.url))
    const { status } = response
    metrics.httpEnded({ method: methodLabel(request.method), endpoint, status, millis: total })
    if (endpoint === "/event") metrics.overhead(Math.max(0, total - backend))
    yield* Effect.logWithLevel(status >= 500 ? "Error" : "Info")("request").pipe(
      Effect.annotateLogs({
        request_id: record.id,
        trace_id: record.traceId,
        method: methodLabel(request.method),
        route: endpoint,
        status,
        duration_ms: round(total),
        queue_ms: round(queue),
        backend_ms: round(backend),
        client: record.client,
        ...(record.error === undefined ? {} : { error: record.error }),
        ...(status === clientClosedRequest ? { error: "client_closed_request" } : {})
      }),
      Effect.provideService(References.MinimumLogLevel, accessLogLevel ?? logLevel)
    )
    return HttpServerResponse.setHeaders(response, {
      "x-request-processed-by": "ai-ticket",
      "x-request-id": record.id,
      "server-timing": `queue;dur=${round(queue)}, backend;dur=${round(backend)}, total;dur=${round(total)}`,
      ...quotaHeaders(record),
      ...((yield* lifecycle.draining) ? { connection: "close" } : {})
    })
  })

  return <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const start = yield* monotonicMillis
      const record = yield* identify(request)
      metrics.httpStarted()
      yield* HttpEffect.appendPreResponseHandler((request, response) => finish(record, request, response, start))
      return yield* app.pipe(
        Effect.provideService(CurrentRequest, record),
        Effect.provideService(CurrentStopwatch, record.stopwatch),
        Effect.annotateLogs({ request_id: record.id, trace_id: record.traceId })
      )
    })
})

/** The fields of the IETF draft "RateLimit header fields for HTTP". */
const quotaHeaders = ({ quota }: RequestRecord): Record<string, string> =>
  quota === undefined
    ? {}
    : {
        "ratelimit-policy": `"default";q=${quota.limit};w=${Math.ceil(quota.windowSeconds)}`,
        ratelimit: `"default";r=${quota.remaining};t=${quota.resetSeconds}`
      }

const round = (millis: number): number => Math.round(millis * 1000) / 1000
