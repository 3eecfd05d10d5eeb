import * as Effect from "effect/Effect"
import { jsonIn, send } from "../../support/Http.ts"
import type { Running } from "../../support/Running.ts"

type Service = Pick<Running["Service"], "url">

/** A client of KoboldCpp's protocol, with a token or without. */
export const koboldClient = ({ url }: Service, token?: string, more: Readonly<Record<string, string>> = {}) => {
  const headers: Record<string, string> = token === undefined ? more : { authorization: `Bearer ${token}`, ...more }
  const post = (path: string, body: unknown = {}) =>
    send(url, {
      method: "POST",
      path,
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body)
    })
  return {
    post,
    get: (path: string) => send(url, { path, headers }),
    generate: (fields: object = {}) => post("/api/v1/generate", { prompt: "p", ...fields }),
    stream: (fields: object = {}) => post("/api/extra/generate/stream", { prompt: "p", ...fields }),
    check: (genkey?: string) =>
      Effect.map(post("/api/extra/generate/check", genkey === undefined ? "" : { genkey }), (answer) =>
        String((jsonIn(answer)["results"] as ReadonlyArray<{ text: string }>)[0]?.text)
      ),
    abort: (genkey?: string) =>
      Effect.map(post("/api/extra/abort", genkey === undefined ? "" : { genkey }), ({ text }) => text)
  }
}

export const aborted = '{"success":"true","done":"true"}'
export const notKnown = '{"success":"false","done":"false"}'

/** One event of KoboldCpp's stream, as its bytes. */
export const event = (token: string, reason: string | null = null): string =>
  `event: message\ndata: {"token": ${JSON.stringify(token)}, "finish_reason": ${JSON.stringify(reason)}}\n\n`

/** The text and the reason of a whole answer. */
export const resultIn = (answer: { readonly text: string }) => {
  const [result] = jsonIn(answer)["results"] as ReadonlyArray<Record<string, unknown>>
  return result ?? {}
}

/** The end of a backend's stream, whose connection stays open. */
export const over = `${event("", "stop")}data: [DONE]\n\n`
