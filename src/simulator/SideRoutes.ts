import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Answer from "./Answer.ts"
import type { AbortKey } from "./Engine.ts"
import { readObject } from "./GenerationRequest.ts"
import { hashText } from "./Hash.ts"
import { type Incoming, isAuthorized, type Parts } from "./Incoming.ts"
import { defaultMaxTokens } from "./Options.ts"
import * as Wire from "./SideWire.ts"
import { countTokens, tokenise } from "./Text.ts"

type Route = readonly [end: string, handle: (incoming: Incoming) => Effect.Effect<Answer.Answer>]

/** A route of KoboldAI's own API, under both of its names. */
const versioned = (end: string, handle: Route[1]): ReadonlyArray<Route> => [
  [`/api/v1${end}`, handle],
  [`/api/latest${end}`, handle]
]

/** Everything that answers at once, however busy the model is. */
export const makeSideRoutes = ({ engine, ledger, options }: Parts) => {
  const { contextLength, dialect, model } = options
  const value = (answer: unknown) => () => Effect.succeed(Answer.json(answer))
  const nowSeconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))

  const guarded =
    (handle: Route[1]): Route[1] =>
    (incoming) =>
      isAuthorized(options, incoming) ? handle(incoming) : Effect.succeed(Answer.unauthorized)

  const check = (key: AbortKey) => Effect.map(engine.check(key), (text) => Answer.json(Wire.checkBody(text)))

  const abort = Effect.fnUntraced(function* (incoming: Incoming) {
    const genkey = readKey(incoming)
    if (!isAuthorized(options, incoming)) {
      yield* ledger.abort({ genkey, answer: "unauthorized", matched: false, generation: null })
      return Answer.unauthorized
    }
    const { answer, generation = null } = yield* engine.abort(genkey)
    yield* ledger.abort({ genkey, answer, matched: generation !== null, generation })
    return Answer.json(Wire.abortBody(answer))
  })

  const modelName = (incoming: Incoming) =>
    Effect.succeed(Answer.json({ result: isAuthorized(options, incoming) ? model : "koboldcpp/protected-model" }))

  // Only the newer dialect has these, for clients of Ollama.
  const laterRoutes: ReadonlyArray<Route> = [
    ["/api/ps", value(Wire.tagsBody(options))],
    ["/api/version", value({ version: "0.7.0" })]
  ]
  const get: ReadonlyArray<Route> = [
    ...versioned("/model", modelName),
    ...versioned("/info/version", value({ result: "1.2.5" })),
    ...versioned("/config/max_context_length", value({ value: contextLength })),
    ...versioned("/config/max_length", value({ value: defaultMaxTokens(dialect) })),
    ...versioned("/config/soft_prompt", value({ value: "" })),
    ...versioned("/config/soft_prompts_list", value({ values: [] })),
    ["/api/extra/version", value(Wire.versionBody(options))],
    ["/api/extra/true_max_context_length", value({ value: contextLength })],
    [
      "/api/extra/perf",
      () => Effect.map(engine.performance, (report) => Answer.json(Wire.performanceBody(options, report)))
    ],
    ["/api/extra/preloadstory", value({})],
    ["/api/extra/generate/check", guarded(() => check(""))],
    ["/v1/models", () => Effect.map(nowSeconds, (now) => Answer.json(Wire.modelsBody(options, now)))],
    ["/sdapi/v1/sd-models", value([])],
    ["/api/tags", value(Wire.tagsBody(options))],
    ...(dialect === "1.76" ? [] : laterRoutes)
  ]
  const post: ReadonlyArray<Route> = [
    ["/api/extra/tokencount", guarded((incoming) => Effect.sync(() => tokenCount(incoming)))],
    ["/api/extra/abort", abort],
    ["/api/extra/generate/check", guarded((incoming) => check(readKey(incoming)))]
  ]
  return { get, post }
}

/** The key in a body; a body that can't be read has none. */
const readKey = ({ body }: Incoming): AbortKey => {
  const fields = readObject(body)
  const genkey = Result.isSuccess(fields) ? fields.success["genkey"] : undefined
  if (genkey === undefined) return ""
  return Predicate.isString(genkey) ? genkey : null
}

const tokenCount = ({ body }: Incoming): Answer.Answer => {
  const fields = readObject(body)
  const prompt = Result.isSuccess(fields)
    ? (fields.success["prompt"] ?? ("prompt" in fields.success ? null : ""))
    : null
  if (!Predicate.isString(prompt)) return Answer.jsonError(400, { value: -1 })
  return Answer.json({ value: countTokens(prompt), ids: tokenise(prompt).map((token) => hashText(token) % 32_000) })
}
