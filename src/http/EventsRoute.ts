import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { resultLine } from "../domain/Batch.ts"
import { type CutShort, errorBody, InvalidParameter } from "../domain/Failure.ts"
import { isBlank } from "../domain/JsonLines.ts"
import { Cancellations } from "../services/Cancellations.ts"
import { CurrentRequest, ownerOf, type RequestRecord } from "../services/CurrentRequest.ts"
import { either, none, remembered } from "../services/Ending.ts"
import { usualConcurrency } from "../services/InferencePipeline.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { BatchEvents } from "./BatchEvents.ts"
import { BodyLines } from "./BodyLines.ts"
import { readCacheControl } from "./CacheControl.ts"
import type { EventWriter } from "./EventWriter.ts"
import { type BodyType, readTimeout, whyUnreadable, writeContinue } from "./RequestHead.ts"
import { readPriority } from "./RequestPriority.ts"
import { ResponseWriter } from "./ResponseWriter.ts"

/** JSON Lines has no registered type, but several names. */
const jsonLinesType: BodyType = {
  pattern: /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines)\s*(?:;|$)/i,
  expected: "application/jsonl, application/x-ndjson or application/json-lines"
}

/** `POST /events`: events in, a line each; results out, a line each, as they come. */
export const eventsRoute = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const cancellations = yield* Cancellations
    const lifecycle = yield* Lifecycle
    const bodies = yield* BodyLines
    const events = yield* BatchEvents
    const writers = yield* ResponseWriter
    yield* router.add("POST", "/events", (request) =>
      lifecycle.work((shutdown) =>
        Effect.gen(function* () {
          const record = yield* CurrentRequest
          const { ordered, ...asked } = yield* Effect.fromResult(readHead(request, record))
          const cancelled =
            record === undefined ? none : cancellations.endingOf({ owner: ownerOf(record), id: record.id })
          const ending = yield* remembered(either<CutShort, CutShort>(shutdown, cancelled))
          writeContinue(request)
          const writer = yield* writers.make(request)
          yield* writer.begin({ headers, early: true, keepAlive: "\n" })
          yield* Effect.forkScoped(probing(request, writer))
          // From then on nobody waits for a slow reader.
          yield* Effect.acquireRelease(
            Effect.sync(() => shutdown(writer.hurry)),
            (forget) => Effect.sync(forget)
          )
          const write = (text: string) => Effect.catch(writer.write(text) ?? Effect.void, () => writer.giveUp)
          let taken = 0
          const results = bodies.read(request, ending).pipe(
            Stream.filter(({ line, release }) => {
              const blank = isBlank(line)
              if (blank) release()
              return !blank
            }),
            // The request itself has counted for the first.
            Stream.tap(() => (taken++ === 0 || record === undefined ? Effect.void : events.count(record, ending))),
            Stream.mapEffect(
              ({ line, release }, index) =>
                Effect.ensuring(events.answer(line, index, { ending, ...asked }), Effect.sync(release)),
              { concurrency: usualConcurrency, unordered: !ordered }
            )
          )
          yield* Stream.runForEachArray(results, (lines) => write(lines.join(""))).pipe(
            // What was still to come is told of in a line of its own.
            Effect.catch((failure) => {
              if (record !== undefined) record.error = failure.code
              return write(resultLine(taken, undefined, errorBody(failure)))
            })
          )
          return yield* writer.finish("")
        }).pipe(Effect.scoped)
      )
    )
  })
)

/** How often a client is tried that couldn't be heard leaving. */
const probeMillis = 1000

/**
 * A connection whose body is held back isn't read, and so doesn't tell that its client has left: only writing does, and
 * only the second time.
 */
const probing = (request: HttpServerRequest.HttpServerRequest, writer: EventWriter): Effect.Effect<never> => {
  const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
  const probe = Effect.map(monotonicMillis, (now) => {
    if (socket.isPaused() && now - writer.lastWrite() >= probeMillis) writer.comment("\n")
  })
  return Effect.forever(Effect.andThen(Effect.sleep(probeMillis), probe))
}

const headers = {
  "content-type": "application/x-ndjson",
  // There may be more of the body on its way than is ever read.
  connection: "close"
}

/** What the head says of each event, and of their order. */
const readHead = ({ headers, url }: HttpServerRequest.HttpServerRequest, record: RequestRecord | undefined) =>
  Result.gen(function* () {
    const timeout = yield* readTimeout(headers)
    yield* readPriority(headers["x-priority"], record)
    const ordered = yield* readOrdered(url)
    const refused = whyUnreadable(headers, jsonLinesType)
    if (refused !== undefined) return yield* Result.fail(refused)
    return { ordered, ...timeout, ...readCacheControl(headers["cache-control"]) }
  })

const readOrdered = (target: string): Result.Result<boolean, InvalidParameter> => {
  const [, query = ""] = target.split("?", 2)
  const ordered = new URLSearchParams(query).get("ordered") ?? "false"
  return ordered === "true" || ordered === "false"
    ? Result.succeed(ordered === "true")
    : Result.fail(new InvalidParameter({ parameter: "ordered", expected: "true or false" }))
}
