import type * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** One setting: where it is read from, what it may be, and what it is when nobody sets it. */
export interface Definition<A> {
  /** The environment variable's name. */
  readonly variable: string
  /** Names it had before, looked at after the present one. */
  readonly olderNames: ReadonlyArray<string>
  readonly decode: (text: string) => Result.Result<A, unknown>
  /** What a value must be, to go on "…: expected". */
  readonly expected: string
  /** The default as it would be written in the environment; without one the setting is optional. */
  readonly fallback: string | undefined
  /** A secret's value is never shown. */
  readonly secret: boolean
  readonly description: string
}

export type Definitions = Readonly<Record<string, Definition<unknown>>>

export type Values<D extends Definitions> = {
  readonly [K in keyof D]: D[K] extends Definition<infer A> ? A : never
}

/** A place that settings come from; earlier ones win. */
export interface Source {
  readonly name: "flag" | "environment" | ".env file"
  readonly provider: ConfigProvider.ConfigProvider
}

/** Where a value came from, and its text. */
export interface Origin {
  readonly variable: string
  readonly text: string | undefined
  readonly from: Source["name"] | "default"
}

/** A setting has a value that it can't have; the message is one sentence for whoever starts the program. */
export class SettingsError extends Schema.TaggedError<SettingsError>()("SettingsError", {
  variable: Schema.String,
  /** Undefined for secrets. */
  value: Schema.UndefinedOr(Schema.String),
  expected: Schema.String
}) {
  override get message() {
    const value = this.value === undefined ? "has a value that can't be used" : `is ${JSON.stringify(this.value)}`
    return `${this.variable} ${value}: expected ${this.expected}.`
  }
}

export interface ReadSettings<D extends Definitions> {
  readonly values: Values<D>
  readonly origins: { readonly [K in keyof D]: Origin }
}

/** Reads every setting from the first source that has it. An empty value counts as none. */
export const readSettings = <D extends Definitions>(
  definitions: D,
  sources: ReadonlyArray<Source>
): Effect.Effect<ReadSettings<D>, SettingsError> =>
  Effect.gen(function* () {
    const values: Record<string, unknown> = {}
    const origins: Record<string, Origin> = {}
    for (const [key, definition] of Object.entries(definitions)) {
      const origin = yield* locate(definition, sources)
      origins[key] = definition.secret && origin.text !== undefined ? { ...origin, text: "(set)" } : origin
      if (origin.text === undefined) {
        values[key] = undefined
        continue
      }
      values[key] = yield* Effect.fromResult(
        Result.mapError(
          definition.decode(origin.text),
          () =>
            new SettingsError({
              variable: origin.variable,
              value: definition.secret ? undefined : withoutCredentials(origin.text ?? ""),
              expected: definition.expected
            })
        )
      )
    }
    return { values, origins } as ReadSettings<D>
  })

const withoutCredentials = (text: string) => text.replace(/\/\/.*@/, "//***@")

const locate = Effect.fnUntraced(function* (definition: Definition<unknown>, sources: ReadonlyArray<Source>) {
  for (const source of sources) {
    for (const variable of [definition.variable, ...definition.olderNames]) {
      const text = yield* textOf(source.provider, variable)
      if (text !== "") return { variable, text, from: source.name } satisfies Origin
    }
  }
  return { variable: definition.variable, text: definition.fallback, from: "default" } satisfies Origin
})

/** Reads a variable that is no setting, such as one that another setting names. */
export const lookupIn =
  (sources: ReadonlyArray<Source>) =>
  (variable: string): Effect.Effect<string> =>
    Effect.gen(function* () {
      for (const { provider } of sources) {
        const text = yield* Effect.orElseSucceed(textOf(provider, variable), () => "")
        if (text !== "") return text
      }
      return ""
    })

const textOf = (provider: ConfigProvider.ConfigProvider, variable: string) =>
  provider.load([variable]).pipe(
    Effect.map((node) => node?.value?.trim() ?? ""),
    Effect.mapError(
      () => new SettingsError({ variable, value: undefined, expected: "a source of settings that can be read" })
    )
  )
