import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { beginningOf } from "./BadSteps.ts"
import type { EndpointName, Step } from "./ScriptedBackend.ts"

/** A way to ask for an answer that comes whole, and how its clients read it. */
export interface WholeSurface {
  readonly name: string
  readonly path: string
  readonly request: object
  /** The backend's endpoint that is asked first. */
  readonly endpoint: Exclude<EndpointName, "models">
  /** The backend in the middle of its answer, for as long as the connection is there. */
  readonly midway: (texts: ReadonlyArray<string>) => Step
  readonly textIn: (body: string) => string
  readonly codeIn: (body: string) => ErrorCode
}

/** Asked whole themselves, backends tell nothing before they have it all. */
const dribbling = (): Step => ({ dribble: true })

const openAiCode = (body: string) => JSON.parse(body).error.code

export const wholeSurfaces: ReadonlyArray<WholeSurface> = [
  {
    name: "POST /event",
    path: "/event",
    request: { content: "p" },
    endpoint: "chat",
    midway: dribbling,
    textIn: (body) => JSON.parse(body).completion,
    codeIn: (body) => JSON.parse(body).error
  },
  {
    name: "POST /v1/chat/completions",
    path: "/v1/chat/completions",
    request: { model: "m", messages: [{ role: "user", content: "p" }] },
    endpoint: "chat",
    midway: dribbling,
    textIn: (body) => JSON.parse(body).choices[0].message.content,
    codeIn: openAiCode
  },
  {
    name: "POST /v1/completions",
    path: "/v1/completions",
    request: { model: "m", prompt: "p" },
    endpoint: "completion",
    midway: dribbling,
    textIn: (body) => JSON.parse(body).choices[0].text,
    codeIn: openAiCode
  },
  {
    name: "POST /api/v1/generate",
    path: "/api/v1/generate",
    request: { prompt: "p" },
    endpoint: "generate",
    // It is a stream at the backend, so that its client can look at it and abort it.
    midway: (texts) => ({ pieces: beginningOf({ endpoint: "generate" }, texts), after: "hang" }),
    textIn: (body) => JSON.parse(body).results[0].text,
    codeIn: (body) => JSON.parse(body).detail.error
  }
]
