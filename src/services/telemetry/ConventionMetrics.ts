import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { family } from "../MetricFamily.ts"
import type { Recorder } from "../Recorder.ts"
import { attribute, type ConventionMetric, isCallersMistake, methodOf, metric, operationOf } from "./Names.ts"

/**
 * The same measurements told twice: what a recorder hears goes into histograms with the conventions' names and buckets
 * too. Their attributes come from closed sets, as labels do: models, which clients name, are none.
 */
export const alsoByConvention = (recorder: Recorder, context: Context.Context<never>): Recorder => {
  const histogram = <const Names extends ReadonlyArray<string>>(
    { boundaries, description, name }: ConventionMetric,
    ...names: Names
  ) =>
    family(context, (name, description, attributes) => Metric.histogram(name, { description, attributes, boundaries }))(
      name,
      description,
      ...names
    )
  const { backend, errorType, method, operation, provider, route, scheme, status, tokenType } = attribute
  const ofOperation = [operation, provider, backend] as const
  const httpDuration = histogram(metric.httpDuration, method, scheme, route, status, errorType)
  const operationDuration = histogram(metric.operationDuration, ...ofOperation, errorType)
  const tokenUsage = histogram(metric.tokenUsage, ...ofOperation, tokenType)
  const firstToken = histogram(metric.firstToken, ...ofOperation)
  const providers = new Map<string, string>()
  const providerOf = (backend: string) => providers.get(backend) ?? "other"

  return {
    ...recorder,
    announce: (backend, endpoints, provider) => {
      recorder.announce(backend, endpoints, provider)
      providers.set(backend, provider)
    },
    forget: (backend) => {
      recorder.forget(backend)
      providers.delete(backend)
      for (const { forget } of [operationDuration, tokenUsage, firstToken]) forget(attribute.backend, backend)
    },
    httpEnded: (request) => {
      recorder.httpEnded(request)
      const { broken, endpoint, method, millis, status } = request
      const error = broken ?? (status < 400 || isCallersMistake(status) ? undefined : String(status))
      const route = endpoint === "other" ? undefined : endpoint
      httpDuration.update(millis / 1000, methodOf(method), "http", route, String(status), error)
    },
    attempt: (attempt) => {
      recorder.attempt(attempt)
      const { backend, endpoint, millis, outcome } = attempt
      const error = outcome === "success" ? undefined : outcome
      operationDuration.update(millis / 1000, operationOf(endpoint), providerOf(backend), backend, error)
    },
    tokens: (backend, usage, endpoint) => {
      recorder.tokens(backend, usage, endpoint)
      tokenUsage.update(usage.promptTokens, operationOf(endpoint), providerOf(backend), backend, "input")
      tokenUsage.update(usage.completionTokens, operationOf(endpoint), providerOf(backend), backend, "output")
    },
    firstToken: (backend, millis, endpoint) => {
      recorder.firstToken(backend, millis, endpoint)
      firstToken.update(millis / 1000, operationOf(endpoint), providerOf(backend), backend)
    }
  }
}
