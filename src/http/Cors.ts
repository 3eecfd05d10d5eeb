import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Settings } from "../services/Settings.ts"
import { routeTable } from "./RouteTable.ts"

type HeaderFields = Readonly<Record<string, string>>

/** What a page may read of an answer, beside its body. */
const exposed = {
  "access-control-expose-headers":
    "X-Request-Id, X-Request-Processed-By, Server-Timing, Retry-After, RateLimit, RateLimit-Policy, X-AI-Ticket-Cache, X-Should-Retry"
}

/** What a page may send: anything, and by name what the star leaves out or older browsers don't know it for. */
const preflightFields = {
  "access-control-allow-methods": [...new Set(Object.values(routeTable).flat())].join(", "),
  "access-control-allow-headers":
    "*, Authorization, Content-Type, Cache-Control, X-API-Key, X-Request-Id, X-Request-Timeout, X-Priority, genkey",
  "access-control-max-age": "600"
}

/** Which pages of other origins may read the answers in a browser: none, unless the settings name them. */
export const makeCors = Effect.map(Settings, ({ corsOrigins }) => {
  const everybody = { "access-control-allow-origin": "*", ...exposed }
  const allowed = new Set(corsOrigins)

  /** The fields that every answer to a request has, errors too: a page can't read those without them either. */
  const fieldsFor = ({ headers }: HttpServerRequest.HttpServerRequest): HeaderFields | undefined => {
    if (corsOrigins === undefined) return undefined
    if (allowed.has("*")) return everybody
    const { origin } = headers
    return origin !== undefined && allowed.has(origin)
      ? { "access-control-allow-origin": origin, ...exposed, vary: "Origin" }
      : { vary: "Origin" }
  }

  /**
   * The answer to a browser that asks before it sends. It brings no token along, tells nothing of the routes and is no
   * request for anything, so that it counts for no limit. Other origins, and other uses of `OPTIONS`, get none.
   */
  const preflight = (
    { headers, method }: HttpServerRequest.HttpServerRequest,
    fields: HeaderFields | undefined
  ): HttpServerResponse.HttpServerResponse | undefined =>
    method === "OPTIONS" &&
    headers["origin"] !== undefined &&
    headers["access-control-request-method"] !== undefined &&
    fields?.["access-control-allow-origin"] !== undefined
      ? HttpServerResponse.empty({ status: 204, headers: preflightFields })
      : undefined

  return { fieldsFor, preflight }
})
