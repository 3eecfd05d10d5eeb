import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  type Definition,
  type Origin,
  readSettings,
  type SettingsError,
  type Source,
  type Values
} from "./SettingsSource.ts"

interface Kind<A> {
  readonly decode: (text: string) => Result.Result<A, unknown>
  readonly expected: string
}

interface Words {
  readonly variable: string
  readonly description: string
  readonly olderNames?: ReadonlyArray<string>
  readonly secret?: boolean
}

const required = <A>(kind: Kind<A>, fallback: string, words: Words): Definition<A> => ({
  olderNames: [],
  secret: false,
  ...kind,
  ...words,
  fallback
})

const optional = <A>(kind: Kind<A>, words: Words): Definition<A | undefined> => ({
  olderNames: [],
  secret: false,
  ...kind,
  ...words,
  fallback: undefined
})

const decodeNumber = Schema.decodeUnknownResult(Schema.FiniteFromString)

const number = (pattern: RegExp, minimum: number, maximum: number, expected: string): Kind<number> => ({
  decode: (text) =>
    pattern.test(text)
      ? Result.filterOrFail(
          decodeNumber(text),
          (value) => value >= minimum && value <= maximum,
          () => expected
        )
      : Result.fail(expected),
  expected
})

const wholeNumber = (minimum: number, maximum: number) =>
  number(/^\d+$/, minimum, maximum, `a whole number from ${minimum} to ${maximum}`)

const seconds = (minimum: number, maximum: number) =>
  number(/^\d+(\.\d+)?$/, minimum, maximum, `a number of seconds from ${minimum} to ${maximum}`)

const words = <A>(table: Readonly<Record<string, A>>): Kind<A> => ({
  decode: (text) => Result.fromNullishOr(new Map(Object.entries(table)).get(text.toLowerCase()), () => "another word"),
  expected: `one of ${Object.keys(table).join(", ")}`
})

const text = (pattern: RegExp, expected: string): Kind<string> => ({
  decode: (value) => (pattern.test(value) ? Result.succeed(value) : Result.fail(expected)),
  expected
})

const yesNo = words({ true: true, false: false, "1": true, "0": false, yes: true, no: false })

const logLevels = words({
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warning: "Warn",
  error: "Error",
  critical: "Fatal",
  none: "None"
} as const)

/** The root of a KoboldCpp server: `/api` at the end is taken off, since every endpoint brings it along. */
const backendUrl: Kind<string> = {
  decode: (value) =>
    Result.flatMap(
      Result.try(() => new URL(value)),
      (url) => {
        const usable = /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
        if (!usable || url.search !== "" || url.hash !== "") return Result.fail("not a plain URL")
        return Result.succeed(`${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/api$/, "")}`)
      }
    ),
  expected: "an http or https URL without credentials, query or fragment, such as http://localhost:5001/api"
}

const secret: Kind<Redacted.Redacted> = {
  decode: (value) => (/^[\x21-\x7e]+$/.test(value) ? Result.succeed(Redacted.make(value)) : Result.fail("unprintable")),
  expected: "printable characters without spaces"
}

const tokens: Kind<ReadonlyArray<Redacted.Redacted>> = {
  decode: (value) => {
    const listed = value
      .split(",")
      .map((token) => token.trim())
      .filter((token) => token !== "")
    return listed.length === 0 ? Result.fail("no token at all") : Result.all(listed.map(secret.decode))
  },
  expected: "tokens of printable characters without spaces, separated by commas"
}

/** Every setting of the service, with its default: the start-up errors, `ai-ticket config` and the README read this. */
export const definitions = {
  koboldcppApiUrl: required(backendUrl, "http://localhost:5001/api", {
    variable: "KOBOLDCPP_API_URL",
    description: "Where KoboldCpp listens, with or without /api"
  }),
  koboldcppApiKey: optional(secret, {
    variable: "AI_TICKET_KOBOLDCPP_API_KEY",
    description: "The password of a KoboldCpp started with --password",
    secret: true
  }),
  host: required(text(/^[0-9A-Za-z.:_-]+$/, "an address or host name"), "127.0.0.1", {
    variable: "AI_TICKET_HOST",
    description: "The address to listen on; 0.0.0.0 for every network"
  }),
  port: required(wholeNumber(0, 65_535), "5000", {
    variable: "PORT",
    description: "The port to listen on; 0 picks a free one"
  }),
  logLevel: required(logLevels, "INFO", { variable: "LOG_LEVEL", description: "The least level that is logged" }),
  accessLogLevel: optional(logLevels, {
    variable: "ACCESS_LOG_LEVEL",
    olderNames: ["WERKZEUG_LOG_LEVEL"],
    description: "The same for the line of each request; as LOG_LEVEL when unset"
  }),
  logFormat: optional(words({ json: "json", pretty: "pretty" } as const), {
    variable: "LOG_FORMAT",
    description: "json, or pretty for people; unset: pretty on a terminal, json elsewhere"
  }),
  logContent: required(yesNo, "false", {
    variable: "AI_TICKET_LOG_CONTENT",
    description: "Logs prompts and completions, which are left out otherwise"
  }),
  authTokens: optional(tokens, {
    variable: "AI_TICKET_AUTH_TOKEN",
    description: "Tokens that let a client in, separated by commas",
    secret: true
  }),
  authTokenFile: optional(text(/^[^\0]+$/, "the path of a file"), {
    variable: "AI_TICKET_AUTH_TOKEN_FILE",
    description: "A file with a token on each line, read again when it changes"
  }),
  rateLimitRequests: required(wholeNumber(0, 1_000_000), "120", {
    variable: "RATE_LIMIT_REQUESTS",
    description: "Requests a client may send per window; 0 for no limit"
  }),
  rateLimitWindowSeconds: required(seconds(1, 86_400), "60", {
    variable: "RATE_LIMIT_WINDOW_SECONDS",
    description: "The length of that window"
  }),
  rateLimitBy: required(words({ ip: "ip", token: "token" } as const), "ip", {
    variable: "AI_TICKET_RATE_LIMIT_BY",
    description: "What a client is: its address, or its token"
  }),
  metricsNamespace: required(text(/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/, "letters, digits and underscores"), "ai_ticket", {
    variable: "METRICS_NAMESPACE",
    description: "The prefix of every metric"
  }),
  trustProxyCount: required(wholeNumber(0, 32), "0", {
    variable: "TRUST_PROXY_COUNT",
    description: "How many proxies in front are ours; the client is that far from the right of X-Forwarded-For"
  }),
  slots: required(wholeNumber(1, 1024), "1", {
    variable: "AI_TICKET_SLOTS",
    description: "Requests at once at the backend"
  }),
  queueLimit: required(wholeNumber(0, 100_000), "64", {
    variable: "AI_TICKET_QUEUE_LIMIT",
    description: "Requests that may wait for a slot; one more is told overloaded"
  }),
  requestTimeoutSeconds: required(seconds(0.001, 86_400), "300", {
    variable: "AI_TICKET_REQUEST_TIMEOUT_SECONDS",
    description: "A request's whole time budget; a caller may ask for less with X-Request-Timeout"
  }),
  receiveTimeoutSeconds: required(seconds(0.1, 3600), "30", {
    variable: "AI_TICKET_RECEIVE_TIMEOUT_SECONDS",
    description: "How long a client may take to send its request"
  }),
  shutdownGraceSeconds: required(seconds(0, 3600), "30", {
    variable: "AI_TICKET_SHUTDOWN_GRACE_SECONDS",
    description: "How long work in flight may go on after SIGTERM"
  }),
  maxBodyBytes: required(wholeNumber(1, 1_073_741_824), "1048576", {
    variable: "AI_TICKET_MAX_BODY_BYTES",
    description: "The largest body that is read"
  }),
  retryBudgetPercent: required(wholeNumber(0, 1000), "20", {
    variable: "AI_TICKET_RETRY_BUDGET_PERCENT",
    description: "Retries that all requests together may cause, per hundred requests"
  }),
  retryBudgetPerSecond: required(wholeNumber(0, 10_000), "10", {
    variable: "AI_TICKET_RETRY_BUDGET_PER_SECOND",
    description: "Retries per second that are always there, however few the requests"
  })
} as const

export type SettingName = keyof typeof definitions
export type SettingValues = Values<typeof definitions>

/** The effective settings, decoded once at the start, and where each came from. */
export class Settings extends Context.Service<
  Settings,
  SettingValues & { readonly origins: { readonly [K in SettingName]: Origin } }
>()("ai-ticket/services/Settings") {
  /** From the given sources; earlier ones win. */
  static readonly layer = (sources: ReadonlyArray<Source>): Layer.Layer<Settings, SettingsError> =>
    Layer.effect(
      Settings,
      Effect.map(readSettings(definitions, sources), ({ origins, values }) => ({ ...values, origins }))
    )

  /** From a record that is written as the environment would be. */
  static readonly layerRecord = (record: Readonly<Record<string, string>>) =>
    Settings.layer([{ name: "environment", provider: ConfigProvider.fromEnvRecord(record) }])
}
