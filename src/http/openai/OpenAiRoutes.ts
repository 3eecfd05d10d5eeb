import * as Layer from "effect/Layer"
import { generationRoutes } from "./GenerationRoutes.ts"
import { modelsRoute } from "./ModelsRoute.ts"

/** What existing clients of OpenAI's API ask for. */
export const openAiRoutes = Layer.merge(generationRoutes, modelsRoute)
