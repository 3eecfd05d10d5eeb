import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Answer from "./Answer.ts"
import { formatStep } from "./FaultGrammar.ts"
import * as FaultQueue from "./FaultQueue.ts"
import { parseScript } from "./FaultScript.ts"
import type { Incoming, Parts } from "./Incoming.ts"

/** A script as the control route takes it. Without a seed the one from the options counts. */
const NewScript = Schema.fromJsonString(
  Schema.Struct({ faults: Schema.Array(Schema.String), seed: Schema.optionalKey(Schema.Int) })
)
const decodeScript = Schema.decodeUnknownResult(NewScript)

const readScript = (body: Uint8Array) =>
  decodeScript(new TextDecoder().decode(body)).pipe(
    Result.mapError(() => 'A script is written like {"faults": ["503*2", "reset"], "seed": 1}.'),
    Result.flatMap(({ faults, seed }) => Result.map(parseScript(faults), (steps) => ({ steps, seed })))
  )

/**
 * The simulator's own routes, which the real server doesn't have. They answer at once, whatever the model does, and
 * ask for no password.
 *
 * | route | what it does |
 * |---|---|
 * | `GET /simulator/ledger` | what was received and done |
 * | `DELETE /simulator/ledger` | empties it |
 * | `GET /simulator/faults` | what is left of the script |
 * | `POST /simulator/faults` | `{"faults": ["503*2", "reset"], "seed": 1}` replaces the script |
 * | `DELETE /simulator/faults` | drops it |
 */
export const makeControlRoutes = ({ faults, ledger, options }: Parts) => {
  const remaining = Effect.map(Ref.get(faults), ({ steps }) => Answer.json({ faults: steps.map(formatStep) }))

  const replace = ({ body }: Incoming) => {
    const script = readScript(body)
    if (Result.isFailure(script)) return Effect.succeed(Answer.jsonError(400, { error: script.failure }))
    const { seed = options.seed, steps } = script.success
    return Effect.andThen(Ref.set(faults, FaultQueue.start(steps, seed)), remaining)
  }

  return (incoming: Incoming): Effect.Effect<Answer.Answer> => {
    switch (`${incoming.method} ${incoming.url}`) {
      case "GET /simulator/ledger":
        return Effect.map(ledger.content, Answer.json)
      case "DELETE /simulator/ledger":
        return Effect.andThen(ledger.clear, Effect.map(ledger.content, Answer.json))
      case "GET /simulator/faults":
        return remaining
      case "POST /simulator/faults":
        return replace(incoming)
      case "DELETE /simulator/faults":
        return Effect.andThen(Ref.set(faults, FaultQueue.start([], options.seed)), remaining)
      default:
        return Effect.succeed(
          Answer.jsonError(404, { error: "The simulator has /simulator/ledger and /simulator/faults." })
        )
    }
  }
}
