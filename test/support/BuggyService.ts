import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { AnswerPart } from "../../src/domain/Generation.ts"
import * as HttpService from "../../src/http/HttpService.ts"
import { Auth } from "../../src/services/Auth.ts"
import * as Core from "../../src/services/Core.ts"
import { Inference } from "../../src/services/Inference.ts"
import { InferencePipeline } from "../../src/services/InferencePipeline.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import * as Logging from "../../src/services/Logging.ts"
import { Models } from "../../src/services/Models.ts"
import { RateLimit } from "../../src/services/RateLimit.ts"
import { Readiness } from "../../src/services/Readiness.ts"
import { Settings } from "../../src/services/Settings.ts"
import * as Telemetry from "../../src/services/telemetry/Telemetry.ts"

/** The service as it is, but for an inference with a bug in it; its streams begin before they meet it. */
export const buggyService = Effect.fnUntraced(function* (
  defect: unknown,
  settings: Readonly<Record<string, string>> = {}
) {
  const lines: Array<string> = []
  const begun: AnswerPart = { _tag: "Text", text: "so far", tokens: 1 }
  const inference = Layer.mock(Inference)({
    onEvent: () => Effect.die(defect),
    streamEvent: () => Stream.concat(Stream.succeed(begun), Stream.die(defect))
  })
  const context = yield* Layer.build(
    HttpService.layer.pipe(
      Layer.provide(InferencePipeline.layer),
      Layer.provide(inference),
      Layer.provideMerge(Layer.mergeAll(Auth.layer, RateLimit.layer, Readiness.layer, Models.layer)),
      Layer.provideMerge(Layer.merge(Core.layer, Lifecycle.layer)),
      Layer.provide(NodeServices.layer),
      Layer.provide(Telemetry.layer),
      Layer.provide(Logging.layer((line) => void lines.push(line), { terminal: false })),
      Layer.provide(Settings.layerRecord({ PORT: "0", RATE_LIMIT_REQUESTS: "0", ...settings }))
    )
  )
  return { url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address), lines }
})
