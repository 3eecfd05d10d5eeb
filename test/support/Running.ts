import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type ScriptedBackend, scriptedBackend } from "./ScriptedBackend.ts"
import { testService } from "./TestService.ts"

/** A service and its backend that the tests of one group share: for groups whose tests leave both as they were. */
export class Running extends Context.Service<
  Running,
  Effect.Success<ReturnType<typeof testService>> & { readonly backend: ScriptedBackend }
>()("ai-ticket/test/Running") {}

export const running = (settings: Readonly<Record<string, string>> = {}) =>
  Layer.effect(Running, startService(settings))

/** The same for one test alone. */
export const startService = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>> = {}) {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
  return { ...service, backend }
})
