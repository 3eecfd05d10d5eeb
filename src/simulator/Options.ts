import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FaultScript } from "./FaultScript.ts"

/**
 * Whose answers are imitated: KoboldCpp's of October 2024 and of December 2025, or those of a plain server of OpenAI's
 * protocol, as llama.cpp's is one.
 */
export const Dialect = Schema.Literals(["1.76", "1.104", "openai"])
export type Dialect = typeof Dialect.Type

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** How the simulator behaves. Every field has a default; `{}` is an ordinary server on a free port. */
export const SimulatorOptions = Schema.Struct({
  host: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultKey(Effect.succeed("127.0.0.1"))),
  /** 0 takes a free one. */
  port: between(0, 65_535).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  dialect: Dialect.pipe(Schema.withDecodingDefaultKey(Effect.succeed("1.104" as const))),
  model: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultKey(Effect.succeed("koboldcpp/simulated"))),
  /** What `Authorization: Bearer` must say; without it every request is let in. */
  password: Schema.optionalKey(Schema.Redacted(Schema.NonEmptyString)),
  /** The pace of the model; 0 and Infinity are both "at once". */
  // @effect-diagnostics-next-line schemaNumber:off
  tokensPerSecond: Schema.Number.check(Schema.isGreaterThanOrEqualTo(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(50))
  ),
  /** Reading the prompt, before the first token. An abort acts only at its end. */
  promptDelayMillis: between(0, 600_000).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** Generations at once, of the dialect `openai`; a KoboldCpp makes one. */
  slots: between(1, 1024).pipe(Schema.withDecodingDefaultKey(Effect.succeed(4))),
  /** Requests that may wait behind those that run; 0 turns everyone away while the model is busy. */
  waiting: Schema.optionalKey(between(0, 1000)),
  /** Connections served at the same time, idle ones included. One more just hangs, as behind KoboldCpp's 24 threads. */
  handlers: Schema.optionalKey(between(1, 10_000)),
  /** Tokens of prompt and answer together. */
  contextLength: between(64, 1_048_576).pipe(Schema.withDecodingDefaultKey(Effect.succeed(4096))),
  /** What goes wrong, and when. */
  faults: FaultScript.pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  /** Decides who gets the random shares of the faults. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Generations, and apart from them aborts, that the ledger keeps; older ones are forgotten. */
  ledgerSize: between(1, 10_000).pipe(Schema.withDecodingDefaultKey(Effect.succeed(500))),
  /** A file that every generation's record is appended to; it outlives a simulator that is killed. */
  journal: Schema.optionalKey(Schema.NonEmptyString)
})
export type SimulatorOptions = typeof SimulatorOptions.Type

/** Tokens of an answer when the request doesn't say: each dialect has its own. */
export const defaultMaxTokens = (dialect: Dialect): number => defaults[dialect].maxTokens

/** How many are served at once, how many wait for that, and how many connections there may be. */
export const capacity = ({ dialect, handlers, slots, waiting }: SimulatorOptions) => ({
  slots: dialect === "openai" ? slots : 1,
  waiting: waiting ?? defaults[dialect].waiting,
  handlers: handlers ?? defaults[dialect].handlers
})

/** A server of the other kind has no bounds worth meeting. */
const defaults: Readonly<Record<Dialect, { maxTokens: number; waiting: number; handlers: number }>> = {
  "1.76": { maxTokens: 180, waiting: 6, handlers: 24 },
  "1.104": { maxTokens: 896, waiting: 6, handlers: 24 },
  openai: { maxTokens: 2048, waiting: 1000, handlers: 10_000 }
}
