import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Overloaded, ShuttingDown } from "../domain/Failure.ts"
import { Auth } from "../services/Auth.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { Summary } from "../services/Summary.ts"
import { keepAliveComment } from "./EventStream.ts"
import { ResponseWriter } from "./ResponseWriter.ts"

/** How many may watch at once: each holds a connection for as long as it likes. */
export const mostWatchers = 32

/** Some dashboard may have been closed by then. */
const comeBackMillis = 10_000

/** Milliseconds: who watches must be able to tell a service where nothing happens from one that is gone. */
const longestSilence = 15_000

const headers = { "content-type": "text/event-stream; charset=utf-8" }

/** `GET /api/metrics/summary`: what a dashboard shows. */
const summary = HttpRouter.add(
  "GET",
  "/api/metrics/summary",
  Effect.flatMap(Summary, ({ now }) =>
    Effect.map(now, (body) => HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": "no-store" } }))
  )
)

/**
 * `GET /api/metrics/stream`: the same as server-sent events. It isn't work in hand: draining doesn't wait for those who
 * watch, but ends them.
 */
const stream = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { changes } = yield* Summary
    const auth = yield* Auth
    const lifecycle = yield* Lifecycle
    const writers = yield* ResponseWriter
    let watchers = 0

    /** A token that is withdrawn shows nothing any more. */
    const mayStay = ({ headers }: HttpServerRequest.HttpServerRequest) =>
      Result.isSuccess(auth.check({ authorization: headers["authorization"], apiKey: headers["x-api-key"] }))

    const watch = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const writer = yield* writers.make(request)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* writer.begin({ headers, keepAlive: keepAliveComment, early: true, longestSilence })
          yield* changes.pipe(
            Stream.takeWhile(() => mayStay(request)),
            Stream.runForEach((text) => writer.write(`data: ${text}\n\n`) ?? Effect.void),
            Effect.catch(() => writer.giveUp)
          )
        })
      )
      return yield* writer.finish("")
    })

    yield* router.add("GET", "/api/metrics/stream", (request) =>
      Effect.suspend((): Effect.Effect<HttpServerResponse.HttpServerResponse, Overloaded | ShuttingDown> => {
        if (lifecycle.draining()) return Effect.fail(new ShuttingDown())
        if (request.method === "HEAD") return Effect.succeed(HttpServerResponse.empty({ status: 200, headers }))
        if (watchers >= mostWatchers) return Effect.fail(new Overloaded({ retryAfterMillis: comeBackMillis }))
        watchers += 1
        return Effect.ensuring(
          watch(request),
          Effect.sync(() => {
            watchers -= 1
          })
        )
      })
    )
  })
)

export const summaryRoutes = Layer.merge(summary, stream)
