/** Every route with the methods it takes; the router knows `HEAD` wherever it knows `GET`. */
export const routeTable = {
  "/event": ["POST"],
  "/v1/chat/completions": ["POST"],
  "/v1/completions": ["POST"],
  "/health": ["GET", "HEAD"],
  "/ready": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"]
} as const satisfies Record<`/${string}`, ReadonlyArray<string>>

export type RoutePath = keyof typeof routeTable

/** Open to everybody, whatever tokens and limits are set: what probes and scrapers ask. */
export const openRoutes: ReadonlySet<string> = new Set<RoutePath>(["/health", "/ready", "/metrics"])

/** The path of a request's target, as the router sees it. */
export const pathOf = (target: string): string => target.split(/[?#;]/, 1)[0] ?? target

export const allowedMethods = (path: string): ReadonlyArray<string> | undefined =>
  isRoute(path) ? routeTable[path] : undefined

/** The path as a label: one of ours, or `other`. */
export const routeLabel = (path: string): string => (isRoute(path) ? path : "other")

/** Whether a route asks a model for something. */
export const isInference = (route: string): boolean => inferenceRoutes.has(route)

const inferenceRoutes: ReadonlySet<string> = new Set<RoutePath>(["/event", "/v1/chat/completions", "/v1/completions"])

/** The method as a label: one that servers know, or `other`. */
export const methodLabel = (method: string): string => (knownMethods.has(method) ? method : "other")

const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"])

const isRoute = (path: string): path is RoutePath => Object.hasOwn(routeTable, path)
