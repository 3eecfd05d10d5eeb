import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { validateHeaderName, validateHeaderValue } from "node:http"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Kind, wholeNumber, words } from "../SettingKinds.ts"

export const url: Kind<string> = {
  decode: (value) =>
    Result.flatMap(
      Result.try(() => new URL(value)),
      ({ protocol }) => (/^https?:$/.test(protocol) ? Result.succeed(value) : Result.fail("another scheme"))
    ),
  expected: "an http or https URL"
}

/** `key=value,key2=value2`, values percent-encoded where they need it. */
export const pairs: Kind<Readonly<Record<string, string>>> = {
  decode: (value) =>
    Result.try(() =>
      Object.fromEntries(
        value
          .split(",")
          .filter((pair) => pair.trim() !== "")
          .map((pair) => {
            const [, key = "", rest = ""] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? []
            if (key === "") throw new Error("no key")
            return [decodeURIComponent(key), decodeURIComponent(rest.trim())]
          })
      )
    ),
  expected: "key=value pairs, separated by commas"
}

/** What can't be a header field would be found out with each export, and no sooner. */
export const fields: Kind<Redacted.Redacted<Readonly<Record<string, string>>>> = {
  decode: (value) =>
    Result.flatMap(pairs.decode(value), (decoded) =>
      Result.try(() => {
        for (const [name, content] of Object.entries(decoded)) {
          validateHeaderName(name)
          validateHeaderValue(name, content)
        }
        return Redacted.make(decoded)
      })
    ),
  expected: "header fields as key=value pairs, separated by commas"
}

/** Read at once: a file that isn't there, or isn't one of certificates, would be found out with each export. */
export const certificates: Kind<string> = {
  decode: (path) =>
    Result.try(() => {
      const pem = readFileSync(path, "utf8")
      new X509Certificate(pem)
      return pem
    }),
  expected: "a file with certificates in PEM format"
}

export const ratio: Kind<number> = {
  decode: (value) =>
    /^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(value) && Number(value) <= 1
      ? Result.succeed(Number(value))
      : Result.fail("no"),
  expected: "a share from 0 to 1"
}

/** The ones that are there; others would be passed over without a word. */
export const propagators: Kind<ReadonlySet<string>> = {
  decode: (value) => {
    const asked = new Set(value.split(",").map((name) => name.trim().toLowerCase()))
    return [...asked].every((name) => ["tracecontext", "baggage", "none"].includes(name))
      ? Result.succeed(asked)
      : Result.fail("another one")
  },
  expected: "some of tracecontext, baggage, none, separated by commas"
}

export const protocol = words({ "http/protobuf": "http/protobuf", "http/json": "http/json" } as const)
export const exporter = words({ otlp: true, none: false })
export const compression = words({ gzip: "gzip", none: "none" } as const)
export const milliseconds = wholeNumber(1, 3_600_000)
export const items = wholeNumber(1, 100_000)

export const contents = words({
  ...{ true: true, span_only: true, span_and_event: true },
  ...{ false: false, no_content: false, event_only: false }
})
