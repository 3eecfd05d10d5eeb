import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  backendUrl,
  listOf,
  logLevels,
  optional,
  origin,
  required,
  seconds,
  secret,
  text,
  tokens,
  wholeNumber,
  words,
  yesNo
} from "./SettingKinds.ts"
import {
  type Definitions,
  lookupIn,
  type Origin,
  readSettings,
  type SettingsError,
  type Source,
  type Values
} from "./SettingsSource.ts"

/** Every setting of the service, with its default: the start-up errors, `ai-ticket config` and the README read this. */
export const definitions = {
  koboldcppApiUrl: required(listOf(backendUrl, "one or several, separated by commas"), "http://localhost:5001/api", {
    variable: "KOBOLDCPP_API_URL",
    description: "Where KoboldCpp listens, with or without /api; several, separated by commas, share the work"
  }),
  koboldcppApiKey: optional(secret, {
    variable: "AI_TICKET_KOBOLDCPP_API_KEY",
    description: "The password of a KoboldCpp started with --password",
    secret: true
  }),
  configFile: optional(text(/^[^\0]+$/, "the path of a file"), {
    variable: "AI_TICKET_CONFIG",
    description: "A YAML or JSON file of backends and routes, instead of KOBOLDCPP_API_URL; read again when it changes"
  }),
  host: required(text(/^[0-9A-Za-z.:_-]+$/, "an address or host name"), "127.0.0.1", {
    variable: "AI_TICKET_HOST",
    description: "The address to listen on; 0.0.0.0 for every network"
  }),
  port: required(wholeNumber(0, 65_535), "5000", {
    variable: "PORT",
    description: "The port to listen on; 0 picks a free one"
  }),
  workers: required(wholeNumber(1, 128), "1", {
    variable: "AI_TICKET_WORKERS",
    description: "Processes that share the port and the work, one for each core to be used"
  }),
  reload: required(yesNo, "false", {
    variable: "AI_TICKET_RELOAD",
    description: "For development: starts the workers anew when the program or the file of backends changes"
  }),
  logLevel: required(logLevels, "INFO", { variable: "LOG_LEVEL", description: "The least level that is logged" }),
  accessLogLevel: optional(logLevels, {
    variable: "ACCESS_LOG_LEVEL",
    olderNames: ["WERKZEUG_LOG_LEVEL"],
    description: "The same for the line of each request; as LOG_LEVEL when unset"
  }),
  accessLogPerSecond: required(wholeNumber(0, 1_000_000), "0", {
    variable: "AI_TICKET_ACCESS_LOG_PER_SECOND",
    description: "Lines of successful requests that are written each second, the rest being counted; 0 for all"
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
  corsOrigins: optional(listOf(origin, "one or several, separated by commas"), {
    variable: "AI_TICKET_CORS_ORIGINS",
    description: "Origins, separated by commas, or *, whose pages may call this service from a browser"
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
  streamStallSeconds: required(seconds(0.1, 3600), "30", {
    variable: "AI_TICKET_STREAM_STALL_SECONDS",
    description: "How long a reader of a stream may read nothing before it loses it"
  }),
  streamKeepAliveSeconds: required(seconds(0.1, 3600), "15", {
    variable: "AI_TICKET_STREAM_KEEP_ALIVE_SECONDS",
    description: "How long a stream may be silent before a comment keeps its connection alive"
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
  SettingValues & {
    readonly origins: { readonly [K in SettingName]: Origin }
    /** Another variable, from the same sources; empty if it isn't set. */
    readonly lookup: (variable: string) => Effect.Effect<string>
    /** Settings that only some part of the service knows, from the same sources. */
    readonly read: <D extends Definitions>(definitions: D) => Effect.Effect<Values<D>, SettingsError>
  }
>()("ai-ticket/services/Settings") {
  /** From the given sources; earlier ones win. */
  static readonly layer = (sources: ReadonlyArray<Source>): Layer.Layer<Settings, SettingsError> =>
    Layer.effect(
      Settings,
      Effect.map(readSettings(definitions, sources), ({ origins, values }) => ({
        ...values,
        origins,
        lookup: lookupIn(sources),
        read: (others) => Effect.map(readSettings(others, sources), ({ values }) => values)
      }))
    )

  /** From a record that is written as the environment would be. */
  static readonly layerRecord = (record: Readonly<Record<string, string>>) =>
    Settings.layer([{ name: "environment", provider: ConfigProvider.fromEnvRecord(record) }])
}
