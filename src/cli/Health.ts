import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { failure } from "./CommandFailure.ts"
import { show, showPlain } from "./Output.ts"
import { seconds } from "./Seconds.ts"
import { type Answer, send, serverUrl } from "./Server.ts"
import { unlessSignal } from "./Signals.ts"

const HealthBody = Schema.Struct({ status: Schema.String, shutdown_initiated: Schema.Boolean })

const ReadyBody = Schema.Struct({
  ready: Schema.Boolean,
  draining: Schema.Boolean,
  queue: Schema.Struct({ waiting: Schema.Finite, in_use: Schema.Finite }),
  backends: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      state: Schema.String,
      breaker: Schema.String,
      queue: Schema.optionalKey(Schema.Finite)
    })
  )
})

const decodeHealth = Schema.decodeUnknownOption(Schema.fromJsonString(HealthBody))
const decodeReady = Schema.decodeUnknownOption(Schema.fromJsonString(ReadyBody))

/** What the two routes told. */
export interface Report {
  readonly url: string
  readonly healthy: boolean
  readonly ready: boolean
  /** Null when the answer is not one of ai-ticket's. */
  readonly health: typeof HealthBody.Type | null
  readonly readiness: typeof ReadyBody.Type | null
}

/** Reads the two answers. */
export const reportOf = (url: string, health: Answer, readiness: Answer): Report => {
  const healthBody = Option.getOrNull(decodeHealth(health.text))
  const readyBody = Option.getOrNull(decodeReady(readiness.text))
  return {
    url,
    healthy: health.status === 200 && healthBody?.status === "healthy",
    ready: readiness.status === 200 && readyBody?.ready === true,
    health: healthBody,
    readiness: readyBody
  }
}

/** The report for people, a line each. */
export const linesOf = ({ health, healthy, ready, readiness, url }: Report): string => {
  const draining = readiness?.draining === true || health?.shutdown_initiated === true
  const waiting =
    readiness === null ? [] : [`queue    ${readiness.queue.waiting} waiting, ${readiness.queue.in_use} in work`]
  const backends = (readiness?.backends ?? []).map(
    ({ breaker, name, queue, state }) =>
      `backend  ${name}: ${state}, breaker ${breaker}${queue === undefined ? "" : `, ${queue} waiting in it`}`
  )
  return [
    `server   ${url}`,
    `health   ${healthy ? "healthy" : "unhealthy"}`,
    `ready    ${ready ? "yes" : draining ? "no: draining" : "no"}`,
    ...waiting,
    ...backends
  ].join("\n")
}

/** `ai-ticket health`: is it up, and does it take work? */
export const health = Command.make(
  "health",
  {
    serverUrl,
    timeout: seconds("timeout").pipe(Flag.withDescription("How long the answer may take (10)"), Flag.optional),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fn("cli.health")(function* (input) {
    const ask = (path: string) =>
      send(HttpClientRequest.get(`${input.serverUrl}${path}`), {
        timeoutMillis: Option.getOrElse(input.timeout, () => 10) * 1000
      })
    const answers = yield* unlessSignal(Effect.all([ask("/health"), ask("/ready")], { concurrency: 2 }))
    const report = reportOf(input.serverUrl, ...answers)
    yield* input.json
      ? showPlain(JSON.stringify(report, undefined, 2))
      : show({ title: "ai-ticket", text: linesOf(report) })
    if (report.healthy && report.ready) return
    return yield* failure("refused", report.healthy ? "The service is not ready." : "The service is not healthy.")
  })
).pipe(Command.withDescription("Tells whether the service is up and takes work"))
