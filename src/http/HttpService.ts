import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { eventRoute } from "./EventRoute.ts"
import { makeRenderFailure } from "./FailureResponse.ts"
import { makeGuard } from "./Guard.ts"
import * as NodeServer from "./NodeServer.ts"
import { makeObserve } from "./Observe.ts"
import { operationsRoutes } from "./OperationsRoutes.ts"

/** What every request passes, from the outside in; requests for no route at all pass it too. */
const edge = HttpRouter.middleware(
  Effect.gen(function* () {
    const observe = yield* makeObserve
    const renderFailure = yield* makeRenderFailure
    const guard = yield* makeGuard
    return (app) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const start = yield* monotonicMillis
        const record = yield* observe.begin(request)
        yield* HttpEffect.appendPreResponseHandler((_, response) =>
          Effect.flatMap(monotonicMillis, (end) => observe.finish(record, request, response, end - start))
        )
        return yield* guard(request, record).pipe(
          Effect.andThen(app),
          Effect.catchCause((cause) => renderFailure(cause, request, record)),
          Effect.provideService(CurrentRequest, record)
        )
      })
  }),
  { global: true }
)

const routes = Layer.mergeAll(edge, eventRoute, operationsRoutes)

/** For whoever reads a body with the means of Effect, which know no limit until they are given one. */
const bodyLimit = Layer.unwrap(
  Settings.use(({ maxBodyBytes }) =>
    Effect.succeed(Layer.succeed(HttpIncomingMessage.MaxBodySize)(ByteSize.bytes(maxBodyBytes)))
  )
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
    const lifecycle = yield* Lifecycle
    const server = yield* HttpServer.HttpServer
    yield* Effect.logInfo(`Listening on ${HttpServer.formatAddress(server.address)}`)
    yield* Effect.addFinalizer(() => Effect.andThen(lifecycle.drain, Effect.sleep(linger)))
  })
)

/** The service over HTTP, from listening to drained. */
export const layer = drainFirst.pipe(
  Layer.provide(HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true, routerConfig: exactPaths })),
  Layer.provide(bodyLimit),
  Layer.provideMerge(NodeServer.layer)
)
