import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { neighbourUrl } from "./Asking.ts"
import { failure } from "./CommandFailure.ts"
import { show, showPlain } from "./Output.ts"
import { notOurs, refusal } from "./Refusal.ts"
import { seconds } from "./Seconds.ts"
import { type Answer, send } from "./Server.ts"
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
interface Report {
  readonly url: string
  readonly healthy: boolean
  readonly ready: boolean
  /** Null when the answer is not one of ai-ticket's. */
  readonly health: typeof HealthBody.Type | null
  readonly readiness: typeof ReadyBody.Type | null
}

/** Reads the two answers. */
const reportOf = (url: string, health: Answer, readiness: Answer): Report => {
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
const linesOf = (
  { healthy, ready, url }: Report,
  health: typeof HealthBody.Type,
  readiness: typeof ReadyBody.Type
): string => {
  const draining = readiness.draining || health.shutdown_initiated
  const backends = readiness.backends.map(
    ({ breaker, name, queue, state }) =>
      `backend  ${name}: ${state}, breaker ${breaker}${queue === undefined ? "" : `, ${queue} waiting in it`}`
  )
  return [
    `server   ${url}`,
    `health   ${healthy ? "healthy" : "unhealthy"}`,
    `ready    ${ready ? "yes" : draining ? "no: draining" : "no"}`,
    `queue    ${readiness.queue.waiting} waiting, ${readiness.queue.in_use} in work`,
    ...backends
  ].join("\n")
}

/** An answer that is no report: somebody else's, or an error's. */
const unread = (url: string, path: string, answer: Answer) =>
  answer.status === 200 ? notOurs(url, `to GET ${path} is of another shape`) : refusal(answer)

/** `ai-ticket health`: is it up, and does it take work? */
export const health = Command.make(
  "health",
  {
    serverUrl: neighbourUrl,
    timeout: seconds("timeout").pipe(Flag.withDescription("How long the answer may take (10)"), Flag.optional),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fn("cli.health")(function* (input) {
    const ask = (path: string) =>
      send(HttpClientRequest.get(`${input.serverUrl}${path}`), Option.getOrElse(input.timeout, () => 10) * 1000)
    const answers = yield* unlessSignal(Effect.all([ask("/health"), ask("/ready")], { concurrency: 2 }))
    const report = reportOf(input.serverUrl, ...answers)
    const { health, readiness } = report
    if (input.json) yield* showPlain(JSON.stringify(report, undefined, 2))
    if (health === null) return yield* unread(input.serverUrl, "/health", answers[0])
    if (readiness === null) return yield* unread(input.serverUrl, "/ready", answers[1])
    if (!input.json) yield* show({ title: "ai-ticket", text: linesOf(report, health, readiness) })
    if (report.healthy && report.ready) return
    return yield* failure("refused", report.healthy ? "The service is not ready." : "The service is not healthy.")
  })
).pipe(Command.withDescription("Tells whether the service is up and takes work"))
