import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Metrics } from "../../Metrics.ts"
import { attribute, spanName } from "../../telemetry/Names.ts"
import { type Span, spanIn } from "../../telemetry/Tracing.ts"
import type { Answer, BrokenCall } from "../Transport.ts"

/** How long an abort may take, and how long the questions after it: KoboldCpp answers each at once, busy or not. */
const abortTimeout = "2 seconds"
const countTimeout = "1 second"

/**
 * Aborts the generation with that key; the first `delivered` characters of it were not in vain. It can't fail, only not
 * be heard.
 */
export type Abort = (genkey: string, delivered?: () => number) => Effect.Effect<void>

type Post = (path: string, body: object) => Effect.Effect<Answer, BrokenCall>

/** The abort of a KoboldCpp, with what it counts: whether it was heard, and how many tokens were generated for nobody. */
export const makeAbort = Effect.fnUntraced(function* (backend: string, post: Post) {
  const metrics = yield* Metrics

  /** The tokens of a generation beyond what was delivered. Whoever can't tell is not asked twice. */
  const beyond = Effect.fnUntraced(function* (genkey: string, delivered: () => number) {
    const { results } = yield* Effect.flatMap(post("/api/extra/generate/check", { genkey }), readJson(Checked))
    // An event may have several tokens: the text that is left is counted, and not the events that came.
    const left = results[0].text.slice(delivered())
    if (left === "") return 0
    // It is a continuation: a prompt is counted with the token of a beginning, unless somebody says otherwise.
    const question = { prompt: left, special: false }
    return (yield* Effect.flatMap(post("/api/extra/tokencount", question), readJson(Counted))).value
  })

  const heard = (span: Span | undefined, outcome: "heard" | "failed") => {
    metrics.abort(backend, outcome)
    span?.set({ [attribute.abort]: outcome })
    span?.end(outcome === "heard" ? undefined : "not_heard")
  }

  const abort: Abort = (genkey, delivered = () => 0) =>
    Effect.withFiber((fiber) => {
      const parent = spanIn(fiber.context)
      const span =
        parent?.sampled === true ? parent.child(spanName.abort, "client", { [attribute.backend]: backend }) : undefined
      return post("/api/extra/abort", { genkey }).pipe(
        Effect.timeout(abortTimeout),
        Effect.matchEffect({
          onFailure: () =>
            Effect.andThen(
              Effect.sync(() => heard(span, "failed")),
              Effect.logWarning("The backend did not hear an abort: it may still be generating")
            ),
          onSuccess: () => {
            heard(span, "heard")
            return beyond(genkey, delivered).pipe(
              Effect.timeout(countTimeout),
              Effect.matchEffect({
                onFailure: () => Effect.void,
                onSuccess: (tokens) => Effect.sync(() => metrics.wasted(backend, Math.max(0, tokens)))
              })
            )
          }
        })
      )
    })
  return abort
})

const Checked = Schema.Struct({ results: Schema.NonEmptyArray(Schema.Struct({ text: Schema.String })) })
const Counted = Schema.Struct({ value: Schema.Int })

const readJson = <A>(schema: Schema.ConstraintCodec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return ({ text }: Answer) => decode(text)
}
