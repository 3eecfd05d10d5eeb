import * as Effect from "effect/Effect"
import type { MetricsSummary } from "../../src/domain/MetricsSummary.ts"
import { openStream, type StreamingOptions } from "./StreamingClient.ts"
import { eventually } from "./TestService.ts"

/** Somebody who watches the metrics, for as long as the scope is open. */
export const watch = (url: string, options: Omit<StreamingOptions, "method"> = {}) =>
  Effect.map(openStream(url, "/api/metrics/stream", undefined, { ...options, method: "GET" }), (client) => ({
    ...client,
    told: (): ReadonlyArray<MetricsSummary> =>
      [...client.text().matchAll(/^data: (.+)$/gm)].map(([, json = ""]) => JSON.parse(json))
  }))

/** What somebody is told who begins to watch: the first event, or a refusal. */
export const watchOnce = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* watch(url, { headers })
      yield* eventually(() => client.ended() || client.told().length > 0)
      return { headers: client.headers(), text: client.text() }
    })
  )
