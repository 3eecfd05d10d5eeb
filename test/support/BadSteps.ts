import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { dialectStream } from "./DialectStream.ts"
import type { Step } from "./ScriptedBackend.ts"
import type { Surface } from "./Surfaces.ts"

/** Of a surface, what tells how its backend is asked. */
type Asked = Pick<Surface, "endpoint">

/** A way for a backend's stream to go wrong, and the code that it is told with. */
export interface BadStep {
  readonly name: string
  readonly code: ErrorCode
  /** What comes instead of, or after, the first `texts`. */
  readonly step: (surface: Asked, texts: ReadonlyArray<string>) => Step
}

/** The events of these texts alone, without an end. */
export const beginningOf = ({ endpoint }: Asked, texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  dialectStream("1.104", endpoint, [...texts, "never seen"]).slice(0, texts.length)

const wholeOf = ({ endpoint }: Asked) => dialectStream("1.104", endpoint, ["too late"])

/** After the texts, so many pieces, and then whatever else is wrong. */
const then =
  (pieces: (surface: Asked) => ReadonlyArray<string>, after: "end" | "reset" = "end") =>
  (surface: Asked, texts: ReadonlyArray<string>): Step => ({
    pieces: [...beginningOf(surface, texts), ...pieces(surface)],
    after
  })

/** What can go wrong with a stream whose head has come, whether it has begun to tell or not. */
export const badSteps: ReadonlyArray<BadStep> = [
  { name: "is reset", code: "api_connection_error", step: then(() => [], "reset") },
  { name: "ends without a finish reason", code: "api_connection_error", step: then(() => []) },
  {
    name: "ends in the middle of an event",
    code: "api_connection_error",
    step: then((surface) => [wholeOf(surface).join("").slice(0, 20)])
  },
  {
    name: "has an event that isn't JSON",
    code: "api_response_format_error",
    step: then((surface) => ['data: {"choi\n\n', ...wholeOf(surface)])
  },
  {
    name: "has an event of another shape",
    code: "api_response_structure_error",
    step: then((surface) => ['data: {"choices": "none"}\n\n', ...wholeOf(surface)])
  },
  {
    name: "tells of an error",
    code: "api_server_error",
    step: then((surface) => ['data: {"error": {"message": "out of memory"}}\n\n', ...wholeOf(surface)])
  }
]
