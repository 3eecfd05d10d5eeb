import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import { counted } from "../domain/Counted.ts"
import { MetricsSummary } from "../domain/MetricsSummary.ts"
import { neighbourUrl, token } from "./Asking.ts"
import { cannotWrite, show, showPlain, tell } from "./Output.ts"
import { notOurs, refusal } from "./Refusal.ts"
import { send } from "./Server.ts"
import { unlessSignal } from "./Signals.ts"
import { legible } from "./top/Legible.ts"
import { live } from "./top/Live.ts"
import { lineOf, sectionsOf } from "./top/Report.ts"
import { type Watched, watch } from "./top/Watch.ts"

interface Asked {
  readonly serverUrl: string
  readonly token: Option.Option<Redacted.Redacted>
}

const asking = ({ serverUrl, token }: Asked, path: `/${string}`) =>
  HttpClientRequest.get(`${serverUrl}${path}`).pipe(
    HttpClientRequest.setHeaders({
      authorization: Option.getOrUndefined(Option.map(token, (secret) => `Bearer ${Redacted.value(secret)}`))
    })
  )

const decodeSummary = Schema.decodeUnknownEffect(Schema.fromJsonString(MetricsSummary))

/** How long an answer may take that the service has at hand. */
const patienceMillis = 10_000

/** How it stands now. */
const once = Effect.fnUntraced(function* (asked: Asked, json: boolean) {
  const answer = yield* send(asking(asked, "/api/metrics/summary"), patienceMillis)
  if (json) yield* showPlain(answer.text)
  if (answer.status !== 200) return yield* refusal(answer)
  if (json) return
  const summary = yield* Effect.mapError(decodeSummary(answer.text), () =>
    notOurs(asked.serverUrl, "to GET /api/metrics/summary is of another shape")
  )
  const stdio = yield* Stdio.Stdio
  const boxed = yield* stdio.stdoutIsTerminal
  for (const { lines, title } of sectionsOf(legible(summary), (_, text) => text)) {
    yield* show({ title, text: boxed ? lines.join("\n") : [title, ...lines.map((line) => `  ${line}`)].join("\n") })
  }
})

/** A line each time it is told. */
const inLines = (json: boolean) =>
  Effect.fnUntraced(function* (watched: Watched) {
    if (watched._tag === "Lost") {
      return yield* tell(
        `ai-ticket: ${watched.why} Next try in ${counted(Math.ceil(watched.retryMillis / 1000), "second")}.`
      )
    }
    if (json) return yield* showPlain(watched.data)
    yield* showPlain(lineOf(watched.summary, DateTime.formatIso(yield* DateTime.now)))
  })

/** `ai-ticket top`: how the service gets on, as it goes. */
export const top = Command.make(
  "top",
  {
    serverUrl: neighbourUrl,
    token,
    once: Flag.Boolean("once").pipe(Flag.withDescription("Tell how it stands now, and end"), Flag.withDefault(false)),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print the service's JSON, a line each time it changes"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("cli.top")((input) =>
    unlessSignal(
      Effect.gen(function* () {
        if (input.once) return yield* once(input, input.json)
        const { canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
        const stream = asking(input, "/api/metrics/stream")
        return canAnimate && !input.json
          ? yield* live(input.serverUrl, (told) => watch(stream, told))
          : yield* watch(stream, inLines(input.json))
      }).pipe(Effect.catchTag("CannotWrite", () => Effect.fail(cannotWrite())))
    )
  )
).pipe(
  Command.withDescription("Shows how the service gets on: requests, latency, queue, backends and errors"),
  Command.withExamples([
    { command: "ai-ticket top", description: "Watch the service on this machine" },
    { command: "ai-ticket top --once --server-url http://ai-ticket:5000", description: "See how another one stands" }
  ])
)
