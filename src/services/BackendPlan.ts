import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { BackendEntry } from "../domain/Configuration.ts"
import type { LaneOptions, Plan } from "./Backends.ts"
import { adapters, type BackendKind } from "./backends/Adapters.ts"
import { type ConfigFile, fromGoodFile, readConfigFile, toGoodFile } from "./ConfigFile.ts"
import { usualProbeMillis } from "./Health.ts"
import { definitions, Settings } from "./Settings.ts"
import { lastGoodFile, rememberFile } from "./workers/LastGoodFile.ts"

/** Requests at once at a server that generates several texts in parallel, where nothing else is said. */
const parallelSlots = 8

/** The plan of a file of backends and routes. */
export const planOf = Effect.fnUntraced(function* ({ configuration, keys }: ConfigFile) {
  const { slots: koboldcppSlots } = yield* Settings
  const laneOf = Effect.fnUntraced(function* (entry: BackendEntry<BackendKind>) {
    const { kind = "koboldcpp", model, name, priority, probe, timeouts, url, weight } = entry
    const slots = entry.slots ?? (kind === "koboldcpp" ? koboldcppSlots : parallelSlots)
    const base = url.replace(/\/+$/, "")
    const target = {
      connectMillis: millisOf(timeouts.connect_seconds),
      silenceMillis: millisOf(timeouts.silence_seconds),
      // The /api of another server is a path like any other.
      ...{ name, url: kind === "koboldcpp" ? base.replace(/\/api$/, "") : base, key: keys.get(name) },
      ...(model === undefined ? {} : { model })
    }
    const backend = yield* adapters[kind](target)
    return {
      backend,
      slots,
      tier: priority,
      answerMillis: millisOf(timeouts.answer_seconds),
      weight,
      ...(probe === false ? {} : { probeMillis: probe.every_seconds * 1000 }),
      fingerprint: fingerprintOf({ ...entry, kind }, slots, keys)
    } satisfies LaneOptions
  })
  const [first, ...rest] = configuration.backends
  const lanes = [yield* laneOf(first), ...(yield* Effect.forEach(rest, laneOf))] as const
  return { lanes, routes: configuration.routes } satisfies Plan
})

/** Whatever makes a difference to a backend in use; a changed key is a changed backend. */
const fingerprintOf = (entry: BackendEntry<BackendKind>, slots: number, keys: ConfigFile["keys"]): string => {
  const key = keys.get(entry.name)
  return JSON.stringify([entry, slots, key === undefined ? "" : digestOf(key)])
}

/**
 * What the service begins with: the backends of `AI_TICKET_CONFIG`, or else those that `KOBOLDCPP_API_URL` lists, in
 * their order: the first is `koboldcpp`, the second `koboldcpp-2`.
 */
export const initialPlan = Effect.gen(function* () {
  const { configFile, koboldcppApiKey: key, koboldcppApiUrl, lookup, slots } = yield* Settings
  if (configFile !== undefined) {
    const { variable } = definitions.configFile
    const file = yield* readConfigFile(configFile, lookup).pipe(
      Effect.tap((file) => rememberFile("backends", toGoodFile(file))),
      Effect.catchTag("ConfigFileError", (error) =>
        Effect.gen(function* () {
          const good = yield* lastGoodFile("backends")
          if (good === null) return yield* error
          yield* Effect.logWarning(
            `${variable} can't be used, and this worker goes on as the others: ${error.lines.join("; ")}`
          )
          return yield* fromGoodFile(configFile, good)
        })
      ),
      Effect.mapError((error) => error.asSettingsError(variable))
    )
    return yield* planOf(file)
  }
  const open = (url: string, at: number) =>
    Effect.map(adapters.koboldcpp({ name: at === 0 ? "koboldcpp" : `koboldcpp-${at + 1}`, url, key }), (backend) => ({
      backend,
      slots,
      probeMillis: usualProbeMillis
    }))
  const [first, ...rest] = koboldcppApiUrl
  const lanes = [yield* open(first, 0), ...(yield* Effect.forEach(rest, (url, at) => open(url, at + 1)))] as const
  return { lanes, routes: [] } satisfies Plan
})

const digestOf = (secret: Redacted.Redacted): string => hash("sha256", Redacted.value(secret))

const millisOf = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000
