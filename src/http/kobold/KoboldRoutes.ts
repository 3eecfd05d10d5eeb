import * as Layer from "effect/Layer"
import { BackendFacts } from "./BackendFacts.ts"
import { generateRoutes } from "./GenerateRoutes.ts"
import { Generations } from "./Generations.ts"
import { infoRoutes } from "./InfoRoutes.ts"
import { keyRoutes } from "./KeyRoutes.ts"
import { probeRoutes } from "./ProbeRoutes.ts"

/** KoboldCpp's own protocol, for its clients to change nothing but a URL. */
export const koboldRoutes = Layer.mergeAll(generateRoutes, keyRoutes, infoRoutes, probeRoutes)

/** What these routes share. */
export const koboldServices = Layer.merge(BackendFacts.layer, Generations.layer)
