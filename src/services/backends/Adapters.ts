import * as Struct from "effect/Struct"
import * as KoboldCpp from "./koboldcpp/KoboldCpp.ts"
import * as OpenAiServer from "./openai/OpenAiServer.ts"

/** How each kind of backend is spoken to: a new kind is a folder beside this file, and a line here. */
export const adapters = {
  koboldcpp: KoboldCpp.make,
  openai: OpenAiServer.make
} as const

/** What a file of backends may call a kind. */
export type BackendKind = keyof typeof adapters
export const backendKinds = Struct.keys(adapters)
