import * as Config from "effect/Config"
import * as Flag from "effect/cli/Flag"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { seconds } from "./Seconds.ts"

const readUrl = (text: string): Option.Option<string> =>
  Option.flatMap(Option.liftThrowable(() => new URL(text))(), (url) =>
    /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && url.search + url.hash === ""
      ? Option.some(url.href.replace(/\/+$/, ""))
      : Option.none()
  )

const serverUrlOr = (otherwise: Config.Config<string>, told: string) =>
  Flag.String("server-url").pipe(
    Flag.withDescription(`Where ai-ticket listens (${told})`),
    Flag.withMetavar("URL"),
    Flag.withFallbackConfig(otherwise),
    Flag.filterMap(readUrl, () => "an http or https URL without credentials, query or fragment")
  )

const localUrl = (port: number) => `http://localhost:${port}`

/** `--server-url`: where the service listens. */
export const serverUrl = serverUrlOr(Config.succeed(localUrl(5000)), localUrl(5000))

/** The same for a command that runs beside its service: it looks where that one's `PORT` puts it. */
export const neighbourUrl = serverUrlOr(
  Config.Port("PORT").pipe(
    Config.orElse(() => Config.succeed(5000)),
    Config.map(localUrl)
  ),
  "http://localhost and PORT, or 5000"
)

/** `--token`, else `AI_TICKET_TOKEN`. */
export const token = Flag.Redacted("token").pipe(
  Flag.withDescription("The token to be let in with; better kept in AI_TICKET_TOKEN, which no process list shows"),
  Flag.withMetavar("TOKEN"),
  Flag.withFallbackConfig(Config.Redacted("AI_TICKET_TOKEN")),
  Flag.filter(
    (secret) => /^[\x21-\x7e]+$/.test(Redacted.value(secret)),
    () => "printable characters without spaces"
  ),
  Flag.optional
)

/** Whom a command asks for an answer, and for how long. */
export const askingFlags = {
  serverUrl,
  token,
  timeout: seconds("timeout").pipe(
    Flag.withDescription("How long an answer may take; the service's own limit if not given"),
    Flag.optional
  )
}

/** Where the service is asked, by whom, and how long it may take. */
export interface Asking {
  readonly serverUrl: string
  readonly token: Option.Option<Redacted.Redacted>
  /** Seconds. */
  readonly timeout: Option.Option<number>
}

/** How much longer than the service we wait, so that it is the service that tells what went wrong. */
const graceMillis = 5_000

/** How long we wait in all; undefined for as long as it takes. */
export const patienceMillis = ({ timeout }: Asking): number | undefined =>
  Option.getOrUndefined(Option.map(timeout, (limit) => limit * 1000 + graceMillis))

/** The request for an answer. */
export const asking = ({ serverUrl, timeout, token }: Asking, path: `/${string}`, body: object) =>
  HttpClientRequest.post(`${serverUrl}${path}`).pipe(
    HttpClientRequest.bodyJsonUnsafe(body),
    HttpClientRequest.setHeaders({
      authorization: Option.getOrUndefined(Option.map(token, (secret) => `Bearer ${Redacted.value(secret)}`)),
      "x-request-timeout": Option.getOrUndefined(Option.map(timeout, String))
    })
  )
