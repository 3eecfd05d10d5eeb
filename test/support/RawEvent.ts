import * as Effect from "effect/Effect"
import { rawConnection } from "./RawConnection.ts"
import { startService } from "./Running.ts"

/** A service, and a bare connection to it. */
export const setUpWith = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const { backend, url } = yield* startService({ AI_TICKET_SLOTS: "4", ...settings })
  return { backend, url, connection: yield* rawConnection(url) }
})

/** A request for an event, as it is written. */
export const request = (body: string, ...fields: ReadonlyArray<string>) =>
  [
    "POST /event HTTP/1.1",
    "Host: test",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
    "",
    body
  ].join("\r\n")

export const event = (id: string) => JSON.stringify({ content: "hi", id })
