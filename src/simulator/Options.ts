import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FaultScript } from "./FaultScript.ts"

/** The two generations of servers whose answers are imitated: October 2024 and December 2025. */
export const Dialect = Schema.Literals(["1.76", "1.104"])
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
  /** Requests that may wait behind the one that runs; 0 turns everyone away while the model is busy. */
  waiting: between(0, 1000).pipe(Schema.withDecodingDefaultKey(Effect.succeed(6))),
  /** Connections served at the same time, idle ones included. One more just hangs, as behind the 24 real threads. */
  handlers: between(1, 10_000).pipe(Schema.withDecodingDefaultKey(Effect.succeed(24))),
  /** Tokens of prompt and answer together. */
  contextLength: between(64, 1_048_576).pipe(Schema.withDecodingDefaultKey(Effect.succeed(4096))),
  /** What goes wrong, and when. */
  faults: FaultScript.pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  /** Decides who gets the random shares of the faults. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Generations, and apart from them aborts, that the ledger keeps; older ones are forgotten. */
  ledgerSize: between(1, 10_000).pipe(Schema.withDecodingDefaultKey(Effect.succeed(500)))
})
export type SimulatorOptions = typeof SimulatorOptions.Type

/** Tokens of an answer when the request doesn't say: each dialect has its own. */
export const defaultMaxTokens = (dialect: Dialect): number => (dialect === "1.76" ? 180 : 896)
