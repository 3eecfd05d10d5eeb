import type { GenerationRequest } from "./Generation.ts"
import { isJsonObject, type JsonObject } from "./Prompt.ts"

/**
 * Whether asking again would give the same: at a temperature of 0 the likeliest token is always taken, and a fixed seed
 * settles what chance would. A seed of -1 is a new one each time, and so is none.
 */
export const isDeterministic = (request: GenerationRequest): boolean => {
  const { seed, temperature } = choosing(request)
  return temperature === 0 || (typeof seed === "number" && seed >= 0)
}

/** KoboldCpp's own protocol has another word for the seed. */
const choosing = (request: GenerationRequest): { readonly temperature?: unknown; readonly seed?: unknown } => {
  if (request._tag === "Prompt") return request.parameters
  const { fields } = request
  return { temperature: fields["temperature"], seed: fields[request._tag === "Native" ? "sampler_seed" : "seed"] }
}

/**
 * The kind of a request and all that goes to the backend, as one text: the same for two requests that differ in nothing
 * but the order of their fields.
 */
export const canonicalText = (request: GenerationRequest): string => JSON.stringify(request, inOrder)

const inOrder = (_name: string, value: unknown): unknown => (isJsonObject(value) ? ordered(value) : value)

const ordered = (fields: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(fields).sort(([one], [other]) => (one < other ? -1 : 1)))
