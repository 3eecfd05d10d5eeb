import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { family } from "../MetricFamily.ts"
import type { Recorder } from "../Recorder.ts"
import { attribute, type ConventionMetric, methodOf, metric, operationOf } from "./Names.ts"

/**
 * The same measurements told twice: what a recorder hears goes into histograms with the conventions' names and buckets
 * too. Their attributes come from closed sets, as labels do: models, which clients name, are none.
 */
export const alsoByConvention = (recorder: Recorder, context: Context.Context<never>): Recorder => {
  const histogram = ({ boundaries, description, name }: ConventionMetric) =>
    family(context, (name, description, attributes) => Metric.histogram(name, { description, attributes, boundaries }))(
      name,
      description
    )
  const httpDuration = histogram(metric.httpDuration)
  const operationDuration = histogram(metric.operationDuration)
  const tokenUsage = histogram(metric.tokenUsage)
  const firstToken = histogram(metric.firstToken)
  const providers = new Map<string, string>()
  const operation = (backend: string, endpoint: string) => ({
    [attribute.operation]: operationOf(endpoint),
    [attribute.provider]: providers.get(backend) ?? "other",
    [attribute.backend]: backend
  })

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
      const error = broken ?? (status >= 400 ? String(status) : undefined)
      httpDuration.update(
        {
          [attribute.method]: methodOf(method),
          [attribute.scheme]: "http",
          ...(endpoint === "other" ? {} : { [attribute.route]: endpoint }),
          [attribute.status]: String(status),
          ...(error === undefined ? {} : { [attribute.errorType]: error })
        },
        millis / 1000
      )
    },
    attempt: (attempt) => {
      recorder.attempt(attempt)
      const { backend, endpoint, millis, outcome } = attempt
      operationDuration.update(
        {
          ...operation(backend, endpoint),
          ...(outcome === "success" ? {} : { [attribute.errorType]: outcome })
        },
        millis / 1000
      )
    },
    tokens: (backend, usage, endpoint) => {
      recorder.tokens(backend, usage, endpoint)
      const labels = operation(backend, endpoint)
      tokenUsage.update({ ...labels, [attribute.tokenType]: "input" }, usage.promptTokens)
      tokenUsage.update({ ...labels, [attribute.tokenType]: "output" }, usage.completionTokens)
    },
    firstToken: (backend, millis, endpoint) => {
      recorder.firstToken(backend, millis, endpoint)
      firstToken.update(operation(backend, endpoint), millis / 1000)
    }
  }
}
