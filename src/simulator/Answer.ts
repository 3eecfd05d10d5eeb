import type { Dialect } from "./Options.ts"

/** An HTTP answer before it is written. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Whether `Content-Length` is sent. Without it the end of the body is the end of the connection. */
  readonly sized: boolean
}

/**
 * What happens on the connection. Only the first is an answer; the others are ways of going wrong, and of ending what a
 * stream has written by itself.
 */
export type Answer =
  | { readonly _tag: "Send"; readonly reply: Reply }
  /** Closed without another byte. */
  | { readonly _tag: "HangUp" }
  | { readonly _tag: "Reset" }
  /** Reset once the client had time to read what was written. */
  | { readonly _tag: "BreakOff" }
  /** Half of the body, then a reset. */
  | { readonly _tag: "Cut"; readonly reply: Reply }
  /** Half of the body, then closed as if that were all. */
  | { readonly _tag: "End"; readonly reply: Reply }
  /** Nothing more, for as long as the client stays. */
  | { readonly _tag: "Stall" }
  | { readonly _tag: "Drip"; readonly reply: Reply; readonly everyMillis: number; readonly bytes: number }

/** An answer that is sent as it should be. */
export const send = (reply: Reply): Answer => ({ _tag: "Send", reply })

/** A JSON 200, with its length. */
export const json = (value: unknown): Answer => send(jsonReply(value))

export const jsonReply = (value: unknown): Reply => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
  sized: true
})

/** No error of the real server tells its length. */
export const jsonError = (status: number, value: unknown): Answer =>
  send({ status, headers: { "content-type": "application/json" }, body: JSON.stringify(value), sized: false })

const html = (status: number, body: string): Answer =>
  send({ status, headers: { "content-type": "text/html" }, body, sized: false })

/** For a client that has left. */
export const nobody: Answer = { _tag: "HangUp" }

/** No password, or a wrong one. */
export const unauthorized = jsonError(401, {
  detail: { error: "Unauthorized", msg: "Authentication key is missing or invalid.", type: "unauthorized" }
})

/** A path that isn't there, which a POST is told without a word. */
export const unknownPost = html(404, "")

export const unknownGet = (dialect: Dialect): Answer =>
  html(
    404,
    `Error: ${dialect === "1.76" ? "" : "KoboldCpp "}HTTP Server is running, but this endpoint does not exist. Please check the URL.`
  )

/** `HEAD` and `OPTIONS`, whatever they are asked about. */
export const emptyOk: Answer = send({
  status: 200,
  headers: {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "*",
    "access-control-allow-headers": "*, Authorization, Content-Type, genkey"
  },
  body: "",
  sized: false
})

/** `PUT`, `PATCH`, `DELETE` and their like, whatever they are asked about. */
export const unsupportedMethod = (method: string): Answer =>
  html(
    501,
    `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: 501</p>
        <p>Message: Unsupported method ('${method}').</p>
        <p>Error code explanation: 501 - Server does not support this operation.</p>
    </body>
</html>
`
  )
