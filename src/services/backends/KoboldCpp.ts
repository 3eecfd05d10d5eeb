import * as Clock from "effect/Clock"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { BackendError, classifyStatus, type Remedy } from "../../domain/BackendError.ts"
import type { BackendErrorCode } from "../../domain/ErrorCatalogue.ts"
import { parseRetryAfter } from "../../domain/RetryAfter.ts"
import { type BackendStatus, type Endpoint, InferenceBackend } from "../InferenceBackend.ts"
import { Metrics } from "../Metrics.ts"
import { monotonicMillis } from "../MonotonicClock.ts"
import { Settings } from "../Settings.ts"
import { Slot } from "../WaitingLine.ts"
import { readPerfQueue, type WireEndpoint, wireEndpoints } from "./KoboldCppWire.ts"
import { type Answer, type BrokenCall, Transport } from "./Transport.ts"

const backendName = "koboldcpp"

/** KoboldCpp closes at once on what it can't parse: a connection that lives longer than this has a generation to it. */
const parsingMillis = 1000

/** How long an abort or a status call may take: KoboldCpp answers both at once, busy or not. */
const sideCallTimeout = "2 seconds"

/**
 * KoboldCpp, as it behaves rather than as an HTTP API ought to.
 *
 * It doesn't notice a client that leaves, and goes on generating while everybody waits. So each attempt carries a
 * `genkey` of its own, and an attempt that nobody waits for any more is aborted by that key, before the next request
 * may use the slot.
 */
export const layer = Layer.effect(
  InferenceBackend,
  Effect.gen(function* () {
    const { koboldcppApiKey, koboldcppApiUrl } = yield* Settings
    const metrics = yield* Metrics
    const random = yield* SecureRandom.SecureRandom
    const { call } = yield* Transport
    const headers = koboldcppApiKey === undefined ? {} : { authorization: `Bearer ${Redacted.value(koboldcppApiKey)}` }
    const get = (path: string) => call({ method: "GET", url: koboldcppApiUrl + path, headers })
    const post = (path: string, body: object) => call({ method: "POST", url: koboldcppApiUrl + path, headers, body })

    const abort = (genkey: string) =>
      post("/api/extra/abort", { genkey }).pipe(
        Effect.timeout(sideCallTimeout),
        Effect.matchEffect({
          onFailure: () =>
            Effect.andThen(
              Effect.sync(() => metrics.abort(backendName, "failed")),
              Effect.logWarning("The backend did not hear an abort: it may still be generating")
            ),
          onSuccess: () => Effect.sync(() => metrics.abort(backendName, "heard"))
        })
      )

    const makeEndpoint = (wire: WireEndpoint): Endpoint => {
      const failure = (code: BackendErrorCode, remedy: Remedy, reason: string) =>
        new BackendError({ code, backend: backendName, endpoint: wire.name, reason, remedy })

      const broken = ({ oversized, reason }: BrokenCall) =>
        oversized
          ? failure("api_response_format_error", "give up", reason)
          : failure("api_connection_error", "retry", reason)

      const refused = Effect.fnUntraced(function* ({ headers, status }: Answer) {
        const { code, remedy } = classifyStatus(status)
        const after = parseRetryAfter(headers["retry-after"], yield* Clock.currentTimeMillis)
        return yield* new BackendError({
          ...{ code, remedy, backend: backendName, endpoint: wire.name },
          reason: status >= 300 && status < 400 ? `it redirects (${status})` : `it answered ${status}`,
          ...(after === undefined ? {} : { retryAfterMillis: after })
        })
      })

      const read = (text: string) =>
        Result.try((): unknown => JSON.parse(text)).pipe(
          Result.mapError(() => failure("api_response_format_error", "next", "its answer is not JSON")),
          Result.flatMap((answer) =>
            Result.mapError(wire.read(answer), () =>
              failure("api_response_structure_error", "next", "its answer has another shape")
            )
          ),
          Result.filterOrFail(
            (generation) => generation.text.trim() !== "",
            () => failure("backend_error", "give up", "it answered with no text")
          )
        )

      return {
        name: wire.name,
        attempt: Effect.fnUntraced(function* (request) {
          const slot = yield* Slot
          const genkey = `ai-ticket-${yield* random.uuidV4()}`
          const start = yield* monotonicMillis
          const answer = yield* post(wire.path, wire.body(request, genkey)).pipe(
            Effect.onInterrupt(() => Scope.addFinalizer(slot, abort(genkey))),
            Effect.catch((call) =>
              Effect.flatMap(monotonicMillis, (now) => {
                // A connection that broke late left a generation behind; one that broke at once never started it.
                const mayGenerate = call.reached && now - start > parsingMillis
                const aborted = mayGenerate ? surely(abort(genkey), slot) : Effect.void
                return Effect.andThen(aborted, Effect.fail(broken(call)))
              })
            )
          )
          return answer.status >= 200 && answer.status < 300
            ? yield* Effect.fromResult(read(answer.text))
            : yield* refused(answer)
        })
      }
    }

    const [first, ...rest] = wireEndpoints
    return InferenceBackend.of({
      name: backendName,
      endpoints: [makeEndpoint(first), ...rest.map(makeEndpoint)],
      status: get("/api/extra/perf").pipe(
        Effect.timeout(sideCallTimeout),
        Effect.match({
          onFailure: (): BackendStatus => ({ reachable: false }),
          onSuccess: ({ status, text }): BackendStatus => {
            // A proxy in front of a dead backend answers too.
            if (status >= 500) return { reachable: false }
            const queue = Result.getOrUndefined(Result.try(() => readPerfQueue(JSON.parse(text))))
            return queue === undefined ? { reachable: true } : { reachable: true, queue }
          }
        })
      )
    })
  })
)

/** Runs a cleanup now; if the caller leaves meanwhile, it is done before the slot is given back. */
const surely = (cleanup: Effect.Effect<void>, slot: Scope.Closeable) =>
  Effect.onInterrupt(cleanup, () => Scope.addFinalizer(slot, cleanup))
