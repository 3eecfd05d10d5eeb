import * as Layer from "effect/Layer"
import { generateRoutes } from "./GenerateRoutes.ts"
import { Generations } from "./Generations.ts"
import { keyRoutes } from "./KeyRoutes.ts"

/** KoboldCpp's own protocol, for its clients to change nothing but a URL. */
export const koboldRoutes = Layer.merge(generateRoutes, keyRoutes)

/** What these routes share. */
export const koboldServices = Generations.layer
