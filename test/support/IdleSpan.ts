import type { Span } from "../../src/services/telemetry/Tracing.ts"

/** A span that is to be told everything but content, and keeps nothing. */
export const idleSpan: Span = {
  ...{ traceId: "t", spanId: "s", sampled: true, tellsContent: false },
  child: () => idleSpan,
  set: () => {},
  event: () => {},
  fail: () => {},
  end: () => {},
  headers: () => ({})
}
