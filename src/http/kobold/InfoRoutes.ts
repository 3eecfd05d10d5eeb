import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { JsonObject } from "../../domain/Prompt.ts"
import { Settings } from "../../services/Settings.ts"
import { WaitingLine } from "../../services/WaitingLine.ts"
import { BackendFacts } from "./BackendFacts.ts"
import { infoPaths, tokenPaths } from "./KoboldPaths.ts"
import { readPrompt } from "./NativeRequest.ts"
import { sideBody } from "./SideBody.ts"

type Passed = keyof typeof infoPaths

/** Passed on as the backend says it. */
const passed = (question: Passed) =>
  BackendFacts.use((facts) => Effect.map(facts.ask(question), HttpServerResponse.jsonUnsafe))

/** The backend's version, by which clients decide what they may ask for, and what is true of us. */
const version = Effect.gen(function* () {
  const { authTokenFile, authTokens } = yield* Settings
  const backend = yield* BackendFacts.use((facts) => facts.ask("version"))
  return HttpServerResponse.jsonUnsafe(versionBody(backend, authTokens !== undefined || authTokenFile !== undefined))
})

/** The line is ours, and who uses a slot; what the model did is the backend's to tell. */
const performance = Effect.gen(function* () {
  const line = yield* WaitingLine
  const backend = yield* BackendFacts.use((facts) => facts.ask("performance"))
  const { expectedWait, waiting } = yield* line.state
  return HttpServerResponse.jsonUnsafe({ ...backend, queue: waiting, idle: expectedWait === 0 ? 1 : 0 })
})

const tokenCount = Effect.gen(function* () {
  const fields = yield* sideBody
  const prompt = yield* Effect.fromResult(readPrompt(fields))
  const facts = yield* BackendFacts
  return HttpServerResponse.jsonUnsafe(yield* facts.countTokens({ ...fields, prompt }))
})

/** What a client asks before it sends a prompt. */
export const infoRoutes = Layer.mergeAll(
  HttpRouter.add("GET", "/api/extra/version", version),
  HttpRouter.add("GET", "/api/extra/perf", performance),
  ...tokenPaths.map((path) => HttpRouter.add("POST", path, tokenCount)),
  ...(Object.keys(infoPaths) as ReadonlyArray<Passed>).flatMap((question) =>
    infoPaths[question].map((path) => HttpRouter.add("GET", path, passed(question)))
  )
)

/**
 * What a version says a server can do. What comes in a prompt's fields goes to the backend as it is, so its word holds;
 * everything that has a route of its own is not there.
 */
export const versionBody = (backend: JsonObject, isProtected: boolean) => ({
  result: "KoboldCpp",
  version: backend["version"],
  protected: isProtected,
  llm: backend["llm"] ?? true,
  txt2img: false,
  vision: backend["vision"] ?? false,
  audio: backend["audio"] ?? false,
  transcribe: false,
  multiplayer: false,
  websearch: false,
  tts: false,
  embeddings: false,
  savedata: false,
  admin: 0,
  guidance: backend["guidance"] ?? false,
  // By this KoboldAI Lite takes the way of OpenAI's chat, which is there.
  jinja: backend["jinja"] ?? false
})
