import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MetricsSummary } from "../../domain/MetricsSummary.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { CannotWrite } from "../Output.ts"
import { notOurs, refusal } from "../Refusal.ts"
import { originOf } from "../Server.ts"
import { serverEvents, type WholeAnswer } from "../ServerEvents.ts"
import { legible } from "./Legible.ts"

/** What there is to tell of the service. */
export type Watched =
  | {
      readonly _tag: "Summary"
      /** Every text in it fit for a terminal. */
      readonly summary: MetricsSummary
      /** As it came. */
      readonly data: string
    }
  /** The connection is no more, and the next one is made after so long. */
  | { readonly _tag: "Lost"; readonly why: string; readonly retryMillis: number }

/** Quiet for longer than this, three signs of life were missed: whoever was there is gone. */
const longestSilence = "50 seconds" as const

const firstMillis = 500
const longestMillis = 15_000

/** How long to wait before the next connection, after so many that came to nothing: twice as long each time. */
export const reconnectDelay = (failures: number): number => Math.min(longestMillis, firstMillis * 2 ** failures)

/** Why a connection brought no more. */
class Broken extends Data.TaggedError("Broken")<{ readonly error: CommandFailure | WholeAnswer }> {}

const decodeSummary = Schema.decodeUnknownOption(Schema.fromJsonString(MetricsSummary))

/** Why it can't be told. */
type TellingFailure = CommandFailure | CannotWrite

/** What passes: the service comes back, or there is room for one more who watches. */
const passes = (status: number) => status === 429 || status === 503

/**
 * Follows the service's metrics and tells of each summary, over as many connections as it takes. The first one must come
 * about: it fails as any command does that finds nobody, or nobody who lets it in. What is told may fail as well.
 */
export const watch = <R>(
  request: HttpClientRequest.HttpClientRequest,
  told: (watched: Watched) => Effect.Effect<void, TellingFailure, R>
): Effect.Effect<never, TellingFailure, R | HttpClient.HttpClient> =>
  Effect.suspend(() => {
    let met = false
    let failures = 0

    const read = (data: string): Effect.Effect<void, TellingFailure, R> =>
      Option.match(decodeSummary(data), {
        onNone: () => Effect.fail(notOurs(request.url, "has an event of another shape")),
        onSome: (summary) => {
          met = true
          failures = 0
          return told({ _tag: "Summary", summary: legible(summary), data })
        }
      })

    const lost = (why: string, leastMillis = 0) =>
      Effect.gen(function* () {
        const jitter = 0.8 + 0.4 * (yield* Random.next)
        const retryMillis = Math.max(leastMillis, Math.round(reconnectDelay(failures) * jitter))
        failures += 1
        yield* told({ _tag: "Lost", why, retryMillis })
        yield* Effect.sleep(retryMillis)
      })

    const again = ({ error }: Broken): Effect.Effect<void, TellingFailure, R> => {
      if (error._tag === "CommandFailure") return met ? lost(error.message) : Effect.fail(error)
      const { answer } = error
      const refused = answer.status === 200 ? notOurs(request.url, "is not a stream") : refusal(answer)
      if (!met || !passes(answer.status)) return Effect.fail(refused)
      return lost(refused.message.split("\n")[0] ?? "", 1000 * Math.min(60, Number(answer.retryAfter) || 0))
    }

    const connection = serverEvents(request, { longestSilence }).pipe(
      Stream.mapError((error) => new Broken({ error })),
      Stream.runForEach(read),
      Effect.andThen(
        Effect.suspend(() =>
          Effect.fail(new Broken({ error: failure("unreachable", `${originOf(request.url)} has ended the stream.`) }))
        )
      ),
      Effect.catchTag("Broken", again)
    )
    return Effect.forever(connection)
  })
