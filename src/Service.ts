import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Layer from "effect/Layer"
import * as HttpService from "./http/HttpService.ts"
import { Auth } from "./services/Auth.ts"
import * as Core from "./services/Core.ts"
import * as FirstLook from "./services/FirstLook.ts"
import { InferencePipeline } from "./services/InferencePipeline.ts"
import { Lifecycle } from "./services/Lifecycle.ts"
import { Models } from "./services/Models.ts"
import { RateLimit } from "./services/RateLimit.ts"
import { Readiness } from "./services/Readiness.ts"
import * as Telemetry from "./services/telemetry/Telemetry.ts"

const service = HttpService.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Auth.layer, RateLimit.layer, Readiness.layer, Models.layer)),
  Layer.provideMerge(InferencePipeline.layer),
  Layer.provideMerge(Layer.merge(Core.layer, Lifecycle.layer)),
  Layer.provide(NodeServices.layer)
)

/** The whole service, listening; it needs nothing but its settings. */
export const layer = Layer.provide(service, Telemetry.layer)

/** The same for somebody who has just started it, and reads its log. */
export const greeted = Layer.provide(Layer.provideMerge(FirstLook.layer, service), Telemetry.layer)
