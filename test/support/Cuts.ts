import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { send } from "./Http.ts"
import type { Running } from "./Running.ts"

/** What a service needs for a shutdown to cut at once. */
export const withoutGrace = { AI_TICKET_SHUTDOWN_GRACE_SECONDS: "0" }

/** What cuts an answer short, beside its client and its deadline. */
export const cuts: ReadonlyArray<{
  readonly by: string
  readonly code: ErrorCode
  readonly cut: (service: Running["Service"], id: string) => Effect.Effect<unknown>
}> = [
  {
    by: "its client's DELETE",
    code: "cancelled",
    cut: ({ url }, id) =>
      Effect.map(send(url, { method: "DELETE", path: `/requests/${id}` }), ({ status }) =>
        assert.strictEqual(status, 204)
      )
  },
  {
    by: "a shutdown without grace",
    code: "shutting_down",
    cut: ({ context }) =>
      Effect.provideService(Context.get(context, Lifecycle).drain, References.MinimumLogLevel, "None")
  }
]
