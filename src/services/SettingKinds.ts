import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Definition } from "./SettingsSource.ts"

/** A kind of value: how its text is read, and what it is told to be. */
export interface Kind<A> {
  readonly decode: (text: string) => Result.Result<A, unknown>
  readonly expected: string
}

interface Words {
  readonly variable: string
  readonly description: string
  readonly olderNames?: ReadonlyArray<string>
  readonly secret?: boolean
}

export const required = <A>(kind: Kind<A>, fallback: string, words: Words): Definition<A> => ({
  olderNames: [],
  secret: false,
  ...kind,
  ...words,
  fallback
})

export const optional = <A>(kind: Kind<A>, words: Words): Definition<A | undefined> => ({
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

export const wholeNumber = (minimum: number, maximum: number) =>
  number(/^\d+$/, minimum, maximum, `a whole number from ${minimum} to ${maximum}`)

export const seconds = (minimum: number, maximum: number) =>
  number(/^\d+(\.\d+)?$/, minimum, maximum, `a number of seconds from ${minimum} to ${maximum}`)

export const words = <A>(table: Readonly<Record<string, A>>): Kind<A> => ({
  decode: (text) => Result.fromNullishOr(new Map(Object.entries(table)).get(text.toLowerCase()), () => "another word"),
  expected: `one of ${Object.keys(table).join(", ")}`
})

export const text = (pattern: RegExp, expected: string): Kind<string> => ({
  decode: (value) => (pattern.test(value) ? Result.succeed(value) : Result.fail(expected)),
  expected
})

export const yesNo = words({ true: true, false: false, "1": true, "0": false, yes: true, no: false })

export const logLevels = words({
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warning: "Warn",
  error: "Error",
  critical: "Fatal",
  none: "None"
} as const)

/** The root of a KoboldCpp server: `/api` at the end is taken off, since every endpoint brings it along. */
export const backendUrl: Kind<string> = {
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

/** As browsers write it in `Origin`: the port that goes without saying is left out. The star is every one. */
export const origin: Kind<string> = {
  decode: (value) => {
    const text = value.toLowerCase().replace(/\/$/, "")
    if (text === "*") return Result.succeed(text)
    if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*\\]+$/.test(text)) return Result.fail("no origin")
    // Apps have schemes of their own, which no rule knows how to read.
    if (!/^https?:/.test(text)) return Result.succeed(text)
    return Result.map(
      Result.try(() => new URL(text)),
      (url) => url.origin
    )
  },
  expected: "* or an origin such as https://lite.koboldai.net"
}

/** What stands between commas; nothing does behind the last one, or between two. */
const partsOf = (value: string): ReadonlyArray<string> =>
  value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** One or more of a kind, separated by commas, none of them twice. */
export const listOf = <A>(kind: Kind<A>, words: string): Kind<readonly [A, ...ReadonlyArray<A>]> => ({
  decode: (value) => {
    const [first = "", ...rest] = partsOf(value)
    return Result.gen(function* () {
      const head = yield* kind.decode(first)
      const tail: Array<A> = []
      for (const part of rest) tail.push(yield* kind.decode(part))
      return new Set([head, ...tail]).size === rest.length + 1
        ? ([head, ...tail] as const)
        : yield* Result.fail("one of them twice")
    })
  },
  expected: `${kind.expected}; ${words}`
})

/** Fit for a header field, and so for a token. */
export const isToken = (value: string): boolean => /^[\x21-\x7e]+$/.test(value)

export const secret: Kind<Redacted.Redacted> = {
  decode: (value) => (/^[\x21-\x7e]+$/.test(value) ? Result.succeed(Redacted.make(value)) : Result.fail("unprintable")),
  expected: "printable characters without spaces"
}

export const tokens: Kind<ReadonlyArray<Redacted.Redacted>> = {
  decode: (value) => {
    const listed = partsOf(value)
    return listed.length === 0 ? Result.fail("no token at all") : Result.all(listed.map(secret.decode))
  },
  expected: "tokens of printable characters without spaces, separated by commas"
}
