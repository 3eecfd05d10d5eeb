import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { Cancellations } from "../services/Cancellations.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { millisOf, monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { Summary } from "../services/Summary.ts"
import { Fellows } from "../services/workers/Fellows.ts"
import { BatchEvents } from "./BatchEvents.ts"
import { BodyLines } from "./BodyLines.ts"
import { BodyRoom } from "./BodyRoom.ts"
import { cancelRoute } from "./CancelRoute.ts"
import { makeCors } from "./Cors.ts"
import { eventRoute } from "./EventRoute.ts"
import { EventStream } from "./EventStream.ts"
import { eventsRoute } from "./EventsRoute.ts"
import { renderFailure } from "./FailureResponse.ts"
import { makeGuard } from "./Guard.ts"
import { JsonWork } from "./JsonWork.ts"
import { koboldRoutes, koboldServices } from "./kobold/KoboldRoutes.ts"
import * as NodeServer from "./NodeServer.ts"
import { makeObserve } from "./Observe.ts"
import { operationsRoutes } from "./OperationsRoutes.ts"
import { openAiRoutes } from "./openai/OpenAiRoutes.ts"
import { RequestBody } from "./RequestBody.ts"
import { ResponseWriter } from "./ResponseWriter.ts"
import { summaryRoutes } from "./SummaryRoutes.ts"

/** What every request passes, from the outside in; requests for no route at all pass it too. */
const edge = HttpRouter.middleware(
  Effect.gen(function* () {
    const observe = yield* makeObserve
    const guard = yield* makeGuard
    const cors = yield* makeCors
    return (app) =>
      Effect.contextWith((context: Context.Context<HttpServerRequest.HttpServerRequest>) => {
        const request = Context.get(context, HttpServerRequest.HttpServerRequest)
        const clock = Context.get(context, Clock.Clock)
        const record = observe.begin(request, clock)
        HttpEffect.appendPreResponseHandlerUnsafe(context, (_, response) =>
          observe.finish(record, request, response, millisOf(clock) - record.startedAt)
        )
        record.cors = cors.fieldsFor(request)
        const preflight = cors.preflight(request, record.cors)
        if (preflight !== undefined) return Effect.succeed(preflight)
        return Effect.andThen(guard(request, record), app).pipe(
          Effect.catchCause((cause) => renderFailure(cause, request, record)),
          Effect.provideService(CurrentRequest, record)
        )
      })
  }),
  { global: true }
)

const routes = Layer.mergeAll(
  edge,
  cancelRoute,
  eventRoute,
  eventsRoute,
  koboldRoutes,
  openAiRoutes,
  operationsRoutes,
  summaryRoutes
)

/** A path is one spelling, so that what is guarded and what is routed can't differ. */
const exactPaths = { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false } as const

/**
 * How long the listener stays open once nothing is in hand: whoever has just got an answer and asks again is told
 * `shutting_down`, where a closed port would reset the connection.
 */
const linger = "250 millis"

/** Built after the server, so that it is torn down before: while work in hand ends, the server still answers. */
const drainFirst = Layer.effectDiscard(
  Effect.gen(function* () {
    const { shutdownGraceSeconds } = yield* Settings
    const lifecycle = yield* Lifecycle
    const responses = yield* NodeServer.OpenResponses
    const server = yield* HttpServer.HttpServer
    const drain = Effect.gen(function* () {
      const start = yield* monotonicMillis
      yield* lifecycle.drain
      // What is left of the grace period, and a second at least, for those who read slowly.
      const left = shutdownGraceSeconds * 1000 - ((yield* monotonicMillis) - start)
      yield* Effect.timeoutOption(responses.settled, Math.max(1000, left))
      yield* Effect.sleep(linger)
    })
    yield* Effect.logInfo(`Listening on ${HttpServer.formatAddress(server.address)}`)
    yield* Effect.addFinalizer(() => drain)
    const fellows = yield* Fellows
    fellows?.keeper.tell({ tell: "up" })
  })
)

/** The service over HTTP, from listening to drained. */
export const layer = drainFirst.pipe(
  Layer.provide(HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true, routerConfig: exactPaths })),
  Layer.provide(Layer.mergeAll(EventStream.layer, JsonWork.layer, BatchEvents.layer, BodyLines.layer)),
  Layer.provideMerge(koboldServices),
  Layer.provide(Summary.layer),
  Layer.provide(Layer.mergeAll(Cancellations.layer, RequestBody.layer, ResponseWriter.layer)),
  Layer.provide(BodyRoom.layer),
  Layer.provideMerge(NodeServer.layer)
)
