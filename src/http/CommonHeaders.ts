import type { RequestRecord } from "../services/CurrentRequest.ts"

/** The header fields that every answer carries, whatever it says. */
export const commonHeaders = (
  record: RequestRecord,
  totalMillis: number,
  draining: boolean
): Readonly<Record<string, string>> => ({
  "x-request-processed-by": "ai-ticket",
  "x-request-id": record.id,
  "server-timing": `queue;dur=${round(record.queueMillis)}, backend;dur=${round(record.backendMillis)}, total;dur=${round(totalMillis)}`,
  ...quotaHeaders(record),
  ...(record.cache === undefined ? undefined : { "x-ai-ticket-cache": record.cache }),
  ...record.cors,
  ...(draining ? { connection: "close" } : undefined)
})

/** The fields of the IETF draft "RateLimit header fields for HTTP". */
const quotaHeaders = ({ quota }: RequestRecord) =>
  quota === undefined
    ? undefined
    : {
        "ratelimit-policy": `"default";q=${quota.limit};w=${Math.ceil(quota.windowSeconds)}`,
        ratelimit: `"default";r=${quota.remaining};t=${quota.resetSeconds}`
      }

/** Milliseconds as they are told: to the microsecond. */
export const round = (millis: number): number => Math.round(millis * 1000) / 1000
