import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as Clock from "effect/Clock"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { RequestRecord } from "../services/CurrentRequest.ts"
import { attribute, isCallersMistake, methodOf } from "../services/telemetry/Names.ts"
import type { Span, Tracing } from "../services/telemetry/Tracing.ts"
import { isExactRoute, methodLabel, pathOf, routeLabel } from "./RouteTable.ts"

/** The span of a request, by the conventions for HTTP servers. */
export const beginSpan = (
  tracing: Tracing,
  request: HttpServerRequest.HttpServerRequest,
  { clock, traceId }: { readonly clock: Clock.Clock; readonly traceId: string }
): Span => {
  const name = () => {
    const method = methodLabel(request.method)
    const route = routeLabel(pathOf(request.url))
    const verb = method === "other" ? "HTTP" : method
    return route === "other" ? verb : `${verb} ${route}`
  }
  return tracing.begin(request.headers, { clock, traceId, name })
}

interface Told {
  /** The labels of its metrics: nothing that a client sent is in them. */
  readonly method: string
  readonly route: string
  readonly status: number
  /** That, or what it would have been had the answer not begun before it failed. */
  readonly outcome: number
  /** The address that the service was told to listen on. */
  readonly address: string
  readonly error: string | undefined
}

/**
 * What is known when the answer is: a path or a query that is not one of ours stays with whoever sent it. The span ends
 * when the answer has been written, or given up.
 */
export const tellSpan = (
  span: Span,
  request: HttpServerRequest.HttpServerRequest,
  record: RequestRecord,
  { address, error, method, outcome, route, status }: Told
): void => {
  span.set({
    [attribute.method]: methodOf(method),
    [attribute.scheme]: "http",
    [attribute.route]: route === "other" ? undefined : route,
    [attribute.path]: isExactRoute(route) ? route : undefined,
    [attribute.status]: status,
    [attribute.serverAddress]: address,
    [attribute.serverPort]: NodeHttpServerRequest.toIncomingMessage(request).socket.localPort,
    [attribute.clientAddress]: record.client,
    [attribute.requestId]: record.id,
    [attribute.errorCode]: error,
    [attribute.cache]: record.cache
  })
  if (outcome >= 500) span.fail(error ?? String(status))
  else if (!isCallersMistake(status)) span.set({ [attribute.errorType]: error })
  const response = NodeHttpServerRequest.toServerResponse(request)
  // A client that has left has closed it already.
  if (response.destroyed) span.end()
  else response.once("close", () => span.end())
}
