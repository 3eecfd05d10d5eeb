import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Generations } from "../../src/http/kobold/Generations.ts"
import { atRest } from "./AtRest.ts"
import { countedFibers } from "./CountedFibers.ts"
import { until } from "./Http.ts"
import { Running, startService } from "./Running.ts"
import { postRaw } from "./Sse.ts"
import { eventually } from "./TestService.ts"

/** How many fibers run in the service. */
export class Fibers extends Context.Service<Fibers, { readonly running: () => number; readonly atRest: number }>()(
  "ai-ticket/test/Fibers"
) {}

/** A service and its backend that a group shares, whose fibers are counted. */
export const runningCounted = Layer.effectContext(
  Effect.gen(function* () {
    const { counted, running } = countedFibers()
    const started = yield* counted(startService())
    // Whatever the first request leaves behind for those after it isn't a leak.
    yield* postRaw(started.url, "/event", { content: "p", stream: true })
    yield* atRest(started.context)
    return Context.make(Running, started).pipe(Context.add(Fibers, { running, atRest: running() }))
  })
)

/**
 * Returns when no request, place in line, slot, connection to the backend or fiber is left. Where a deadline has come
 * meanwhile, serve a request first: until then nobody sleeps until the next.
 */
export const nothingLeft = Effect.gen(function* () {
  const { backend, context } = yield* Running
  const fibers = yield* Fibers
  yield* atRest(context)
  yield* until(Context.get(context, Generations).counts, (counts) => counts.running === 0)
  yield* eventually(() => backend.openConnections() === 0 && fibers.running() === fibers.atRest)
})
