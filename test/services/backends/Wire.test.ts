import { assert, describe, it } from "@effect/vitest"
import type { GenerationRequest } from "../../../src/domain/Generation.ts"
import { defaultSampling } from "../../../src/domain/SamplingParameters.ts"
import { wireEndpoints } from "../../../src/services/backends/koboldcpp/KoboldCppWire.ts"
import { endpointsAt } from "../../../src/services/backends/openai/OpenAiServerWire.ts"

const requests: ReadonlyArray<GenerationRequest> = [
  { _tag: "Prompt", prompt: "p", parameters: defaultSampling },
  { _tag: "Chat", messages: [], fields: {} },
  { _tag: "Text", prompt: "p", fields: {} },
  { _tag: "Native", prompt: "p", fields: {} }
]

describe("a wire endpoint", () => {
  for (const [kind, endpoints] of Object.entries({ koboldcpp: wireEndpoints, openai: endpointsAt("m") })) {
    for (const { body, name, serves } of endpoints) {
      it(`of ${kind}, ${name}, serves what it has a body for`, () => {
        for (const request of requests) assert.strictEqual(serves(request), body(request) !== undefined, request._tag)
      })
    }
  }
})
