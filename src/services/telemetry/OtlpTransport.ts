import { promisify } from "node:util"
import { gzip } from "node:zlib"
import type { ExportResponse, IExporterTransport } from "@opentelemetry/otlp-exporter-base"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import packageJson from "../../../package.json" with { type: "json" }
import { parseRetryAfter } from "../../domain/RetryAfter.ts"
import { isUntrusted, whyUnreached } from "../SocketErrors.ts"
import type { Destination } from "./OtelSettings.ts"

/** How long the rest of an answer is waited for: its head has said all that matters. */
const patience = "1 second"

/** Those that may come to nothing later on; OTLP's specification names them. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** More than a collector has to say; a connection on which more comes is closed. */
const longestAnswer = ByteSize.kibibytes(64)

/** An export that a collector didn't take. */
export class NotTaken extends Data.TaggedError("NotTaken")<{
  /** In words of ours, fit to be told. */
  readonly reason: string
  readonly mayBeTaken: boolean
  /** What the collector asked for. */
  readonly retryAfterMillis: number
}> {}

/**
 * When an export that was not taken is sent again: after a second, then each time half as long again, with 20% jitter
 * either way, until its time is over. What the collector asks for in `Retry-After` is the least, so that none has itself
 * asked without a pause.
 */
const sendAgain = Schedule.exponential("1 second", 1.5).pipe(
  Schedule.jittered,
  Schedule.setInputType<NotTaken>(),
  Schedule.while(({ input }) => input.mayBeTaken),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfterMillis)))
  )
)

const compressed = promisify(gzip)

/**
 * Sends exports over HTTP. Each has its time, from the first try to the end of the last answer; OpenTelemetry's own
 * transport waits for as long as a byte comes now and then, and at `Retry-After: 0` asks again at once.
 */
export const makeTransport = Effect.gen(function* () {
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const run = yield* FiberSet.makeRuntimePromise<never, ExportResponse>()

  const post = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function* () {
      const { arrayBuffer, headers, status } = yield* client.execute(request).pipe(
        Effect.mapError(({ reason }) => {
          const untrusted = isUntrusted(reason)
          const why = untrusted ? "its certificate isn't trusted" : (whyUnreached(reason) ?? "the connection broke")
          return new NotTaken({ reason: why, mayBeTaken: !untrusted, retryAfterMillis: 0 })
        })
      )
      // To its end, or the connection couldn't be used again.
      const answer = yield* arrayBuffer.pipe(
        Effect.provideService(HttpIncomingMessage.MaxBodySize, longestAnswer),
        Effect.timeout(patience),
        Effect.orElseSucceed(() => new ArrayBuffer())
      )
      if (status >= 200 && status < 300) return new Uint8Array(answer)
      const retryAfterMillis = parseRetryAfter(headers["retry-after"], yield* Clock.currentTimeMillis) ?? 0
      return yield* new NotTaken({ reason: `status ${status}`, mayBeTaken: passing.has(status), retryAfterMillis })
      // A connection on which another protocol is to be spoken from now on would stay open for ever.
    }).pipe(Effect.scoped)

  return ({ compression, headers, protocol, url }: Destination): IExporterTransport => {
    const request = HttpClientRequest.post(url).pipe(
      HttpClientRequest.setHeaders(Redacted.value(headers)),
      HttpClientRequest.setHeader("user-agent", `${packageJson.name}/${packageJson.version}`)
    )
    const contentType = protocol === "http/json" ? "application/json" : "application/x-protobuf"
    const requestWith = (data: Uint8Array) =>
      compression === "none"
        ? Effect.succeed(HttpClientRequest.bodyUint8Array(request, data, contentType))
        : Effect.map(
            Effect.promise(() => compressed(data)),
            (smaller) =>
              request.pipe(
                HttpClientRequest.setHeader("content-encoding", "gzip"),
                HttpClientRequest.bodyUint8Array(smaller, contentType)
              )
          )
    return {
      send: (data, timeoutMillis) => {
        let last = new NotTaken({ reason: "no answer in time", mayBeTaken: true, retryAfterMillis: 0 })
        const remember = (error: NotTaken) =>
          Effect.sync(() => {
            last = error
          })
        return requestWith(data).pipe(
          Effect.flatMap((request) => post(request).pipe(Effect.tapError(remember), Effect.retry(sendAgain))),
          // Nothing of ours is to be seen in a trace, or told to the collector.
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.timeout(timeoutMillis),
          Effect.match({
            onSuccess: (data): ExportResponse => ({ status: "success", data }),
            onFailure: (): ExportResponse => ({ status: "failure", error: last })
          }),
          run
        )
      },
      shutdown: () => {}
    }
  }
})
