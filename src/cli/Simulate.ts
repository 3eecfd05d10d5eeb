import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { failure } from "./CommandFailure.ts"
import { showPlain } from "./Output.ts"
import type { Programs } from "./Programs.ts"
import { untilSignal } from "./Signals.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))

const number = (name: string, description: string, fallback: string) =>
  text(name, "NUMBER", `${description} (${fallback})`).pipe(
    Flag.filterMap(
      (written) => (/^-?\d+(\.\d+)?$/.test(written) ? Option.some(Number(written)) : Option.none()),
      () => "a number"
    ),
    Flag.optional
  )

const flags = {
  host: text("host", "ADDRESS", "The address to listen on (127.0.0.1)").pipe(Flag.optional),
  port: text("port", "PORT", "The port to listen on; 0 picks a free one (5001)").pipe(
    Flag.withDefault("5001"),
    Flag.filterMap(
      (written) => (/^\d{1,5}$/.test(written) ? Option.some(Number(written)) : Option.none()),
      () => "a whole number from 0 to 65535"
    )
  ),
  tokensPerSecond: number("tokens-per-second", "The pace of an answer; 0 is at once", "50"),
  promptDelayMillis: number("prompt-delay", "Milliseconds before the first token", "0"),
  dialect: Flag.Literals("dialect", ["1.76", "1.104", "openai"]).pipe(
    Flag.withDescription("The KoboldCpp to imitate, or a plain server of OpenAI's protocol (1.104)"),
    Flag.optional
  ),
  model: text("model", "NAME", "The model it claims to have").pipe(Flag.optional),
  slots: number("slots", "Generations at once, of the dialect openai; a KoboldCpp makes one", "4"),
  waiting: number("queue", "Requests that may wait behind those in work", "6; openai: 1000"),
  password: Flag.Redacted("password").pipe(
    Flag.withMetavar("PASSWORD"),
    Flag.withDescription("What callers must send as their token; without it everyone is let in"),
    Flag.optional
  ),
  faults: text("fault", "FAULT", "What goes wrong, and when, such as 503*2 or chat/reset; may be given again").pipe(
    Flag.atLeast(0)
  ),
  journal: text("journal", "FILE", "Appends what becomes of each request, as lines of JSON").pipe(Flag.optional),
  seed: number("seed", "Decides who meets the faults that come by chance", "1")
}

/** What was given on the command line: fields that are absent have the simulator's own defaults. */
export interface SimulationFlags {
  readonly host?: string
  readonly port: number
  readonly tokensPerSecond?: number
  readonly promptDelayMillis?: number
  readonly dialect?: "1.76" | "1.104" | "openai"
  readonly slots?: number
  readonly model?: string
  readonly waiting?: number
  readonly password?: Redacted.Redacted
  readonly journal?: string
  readonly faults: ReadonlyArray<string>
  readonly seed?: number
}

/** A flag has a value that the simulator can't take. */
export class WrongOption extends Schema.TaggedError<WrongOption>()("WrongOption", {
  option: Schema.String,
  /** A sentence, or what was expected. */
  problem: Schema.String
}) {}

const renamed: Readonly<Record<string, string>> = {
  tokensPerSecond: "tokens-per-second",
  promptDelayMillis: "prompt-delay",
  waiting: "queue",
  faults: "fault"
}

const given = <K extends string, A>(key: K, value: Option.Option<A>) =>
  Option.match(value, { onNone: () => ({}), onSome: (some) => ({ [key]: some }) as { readonly [P in K]: A } })

/** `ai-ticket simulate`: a KoboldCpp server, or another, without a model, until a signal comes. */
export const simulate = (run: Programs["simulate"]) =>
  Command.make(
    "simulate",
    flags,
    Effect.fnUntraced(function* (input) {
      const { faults, port } = input
      yield* untilSignal(
        run(
          {
            port,
            faults,
            ...given("host", input.host),
            ...given("tokensPerSecond", input.tokensPerSecond),
            ...given("promptDelayMillis", input.promptDelayMillis),
            ...given("dialect", input.dialect),
            ...given("model", input.model),
            ...given("slots", input.slots),
            ...given("waiting", input.waiting),
            ...given("password", input.password),
            ...given("journal", input.journal),
            ...given("seed", input.seed)
          },
          (url) =>
            showPlain(
              `Simulating ${Option.contains(input.dialect, "openai") ? "an OpenAI server" : "KoboldCpp"} on ${url}`
            )
        )
      ).pipe(
        Effect.catchTag("WrongOption", ({ option, problem }) =>
          Effect.fail(failure("usage", `--${renamed[option] ?? option}: ${problem}`))
        )
      )
    })
  ).pipe(
    Command.withDescription(
      "Starts a simulator of KoboldCpp, or of a plain OpenAI server, that answers without a model, and goes wrong on request"
    ),
    Command.withShortDescription("Starts a KoboldCpp simulator"),
    Command.withExamples([
      { command: "ai-ticket simulate --fault 503*2", description: "The first two requests fail with 503" }
    ])
  )
