import * as Result from "effect/Result"
import { generatePaths, koboldRoutes, streamPath } from "./kobold/KoboldPaths.ts"

/** Every route with the methods it takes; the router knows `HEAD` wherever it knows `GET`. */
export const routeTable = {
  "/event": ["POST"],
  "/events": ["POST"],
  "/v1/chat/completions": ["POST"],
  "/v1/completions": ["POST"],
  "/v1/models": ["GET", "HEAD"],
  "/v1/models/{id}": ["GET", "HEAD"],
  ...koboldRoutes,
  "/requests/{id}": ["DELETE"],
  "/health": ["GET", "HEAD"],
  "/ready": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
  "/api/metrics/summary": ["GET", "HEAD"],
  "/api/metrics/stream": ["GET", "HEAD"]
} as const satisfies Record<`/${string}`, ReadonlyArray<string>>

export type RoutePath = keyof typeof routeTable

/** Open to everybody, whatever tokens and limits are set: what probes and scrapers ask. */
export const openRoutes: ReadonlySet<string> = new Set<RoutePath>(["/health", "/ready", "/metrics"])

/** The path of a request's target, as the router sees it. */
export const pathOf = (target: string): string => {
  const end = target.search(/[?#;]/)
  return end === -1 ? target : target.slice(0, end)
}

export const allowedMethods = (path: string): ReadonlyArray<string> | undefined => {
  const route = routeOf(path)
  return route === undefined ? undefined : routeTable[route]
}

/** The path as a label: one of ours, or `other`. */
export const routeLabel = (path: string): string => routeOf(path) ?? "other"

/** Whether a route asks a model for one thing, so that what it took beside the backend's time is overhead. */
export const isInference = (route: string): boolean => inferenceRoutes.has(route)

const inferenceRoutes: ReadonlySet<string> = new Set<RoutePath>([
  "/event",
  "/v1/chat/completions",
  "/v1/completions",
  streamPath,
  ...generatePaths
])

/** The method as a label: one that servers know, or `other`. */
export const methodLabel = (method: string): string => (knownMethods.has(method) ? method : "other")

const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"])

const routeOf = (path: string): RoutePath | undefined => {
  if (isRoute(path)) return path
  if (requestInPath(path) !== undefined) return "/requests/{id}"
  return modelInPath(path) === undefined ? undefined : "/v1/models/{id}"
}

/** The request that a path names. */
export const requestInPath = (path: string): string | undefined => decoded(/^\/requests\/(.+)$/.exec(path)?.[1])

/** The model that a path asks for. Its name is the rest of the path, slashes and all, encoded or not. */
export const modelInPath = (path: string): string | undefined => {
  return decoded(/^\/v1\/models\/(.+)$/.exec(path)?.[1])
}

const decoded = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : Result.getOrUndefined(Result.try(() => decodeURIComponent(text)))

/** Whether a route is one path and not a template of many. */
export const isExactRoute = (route: string): boolean => isRoute(route) && !route.includes("{")

const isRoute = (path: string): path is RoutePath => Object.hasOwn(routeTable, path)
