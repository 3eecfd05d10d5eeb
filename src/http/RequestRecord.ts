import * as Context from "effect/Context"
import type { ErrorCode } from "../domain/ErrorCatalogue.ts"
import type { Quota } from "../services/RateLimit.ts"
import { Stopwatch } from "../services/Stopwatch.ts"

/** What is known of the request in hand by the time it is answered, for its headers, its log line and the metrics. */
export class RequestRecord {
  readonly stopwatch = new Stopwatch()
  quota: Quota | undefined = undefined
  error: ErrorCode | undefined = undefined
  readonly id: string
  readonly traceId: string
  readonly client: string

  constructor(options: { readonly id: string; readonly traceId: string; readonly client: string }) {
    this.id = options.id
    this.traceId = options.traceId
    this.client = options.client
  }
}

export class CurrentRequest extends Context.Service<CurrentRequest, RequestRecord>()("ai-ticket/http/CurrentRequest") {}
