import * as ConfigProvider from "effect/ConfigProvider"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { definitions, type SettingName } from "../services/Settings.ts"
import type { Source } from "../services/SettingsSource.ts"

/**
 * The settings that have a flag. Each is taken as text, as the environment's are, so that one decoder checks them all.
 * Tokens have none: flags show in the process list.
 */
export const flagNames = {
  host: "host",
  port: "port",
  workers: "workers",
  reload: "reload",
  koboldcppApiUrl: "koboldcpp-url",
  logLevel: "log-level",
  accessLogLevel: "access-log-level",
  accessLogPerSecond: "access-log-per-second",
  logFormat: "log-format",
  authTokenFile: "token-file",
  rateLimitRequests: "rate-limit-requests",
  rateLimitWindowSeconds: "rate-limit-window",
  trustProxyCount: "trust-proxy-count",
  slots: "slots",
  queueLimit: "queue-limit",
  requestTimeoutSeconds: "request-timeout",
  shutdownGraceSeconds: "shutdown-grace",
  maxBodyBytes: "max-body-bytes"
} as const satisfies Partial<Record<SettingName, string>>

export type FlaggedSetting = keyof typeof flagNames

const flagOf = (name: FlaggedSetting) => {
  const { description, fallback, variable } = definitions[name]
  const otherwise = fallback === undefined ? variable : `${variable}, else ${fallback}`
  return Flag.String(flagNames[name]).pipe(
    Flag.withMetavar("VALUE"),
    Flag.withDescription(`${description} (${otherwise})`),
    Flag.optional
  )
}

/** One that is given without a value. */
const switchOf = (name: FlaggedSetting) => {
  const { description, variable } = definitions[name]
  return Flag.Boolean(flagNames[name]).pipe(
    Flag.withDefault(false),
    Flag.withDescription(`${description} (${variable})`),
    Flag.map((given) => (given ? Option.some("true") : Option.none<string>()))
  )
}

/** The flags of `serve` and `config`. */
export const settingFlags = {
  host: flagOf("host"),
  port: flagOf("port"),
  workers: flagOf("workers"),
  reload: switchOf("reload"),
  koboldcppApiUrl: flagOf("koboldcppApiUrl"),
  logLevel: flagOf("logLevel"),
  accessLogLevel: flagOf("accessLogLevel"),
  accessLogPerSecond: flagOf("accessLogPerSecond"),
  logFormat: flagOf("logFormat"),
  authTokenFile: flagOf("authTokenFile"),
  rateLimitRequests: flagOf("rateLimitRequests"),
  rateLimitWindowSeconds: flagOf("rateLimitWindowSeconds"),
  trustProxyCount: flagOf("trustProxyCount"),
  slots: flagOf("slots"),
  queueLimit: flagOf("queueLimit"),
  requestTimeoutSeconds: flagOf("requestTimeoutSeconds"),
  shutdownGraceSeconds: flagOf("shutdownGraceSeconds"),
  maxBodyBytes: flagOf("maxBodyBytes")
} satisfies Record<FlaggedSetting, unknown>

/** What was given on the command line. */
export type GivenFlags = { readonly [K in FlaggedSetting]: Option.Option<string> }

const names = Object.keys(flagNames) as ReadonlyArray<FlaggedSetting>

/** The given flags as a source of settings, in the environment's terms. */
export const flagSource = (given: GivenFlags): Source => ({
  name: "flag",
  provider: ConfigProvider.fromEnvRecord(
    Object.fromEntries(
      names.flatMap((name) =>
        Option.match(given[name], {
          onNone: () => [],
          onSome: (text) => [[definitions[name].variable, text] as const]
        })
      )
    )
  )
})

/** The flag that gave a variable its value, if one did. */
export const flagThatGave = (given: GivenFlags, variable: string): string | undefined => {
  const name = names.find(
    (candidate) => definitions[candidate].variable === variable && Option.isSome(given[candidate])
  )
  return name === undefined ? undefined : `--${flagNames[name]}`
}
