import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { makeControlRoutes } from "./ControlRoutes.ts"
import { makeEngine } from "./Engine.ts"
import * as FaultQueue from "./FaultQueue.ts"
import { FaultScript } from "./FaultScript.ts"
import { type CannotKeepJournal, openJournal } from "./Journal.ts"
import { makeLedger } from "./Ledger.ts"
import type { LedgerContent } from "./LedgerContent.ts"
import { makeOpenAiRoutes } from "./OpenAiRoutes.ts"
import { SimulatorOptions } from "./Options.ts"
import { makeRoutes } from "./Routes.ts"
import { type CannotListen, listen } from "./Server.ts"

const decodeOptions = Schema.decodeUnknownEffect(SimulatorOptions)
const decodeScript = Schema.decodeUnknownEffect(FaultScript)

/**
 * A KoboldCpp server without a model, over real HTTP: for demos, tests and load. It answers made-up text at a steady
 * pace, behaves on the wire as the real one was seen to, and goes wrong on request. It can be a plain server of OpenAI's
 * protocol as well.
 */
export class Simulator extends Context.Service<
  Simulator,
  {
    /** Such as `http://127.0.0.1:5001`, without a slash at the end. */
    readonly url: string
    readonly host: string
    /** The one it listens on, also if a free one was asked for. */
    readonly port: number
    /** Everything received and done. */
    readonly ledger: Effect.Effect<LedgerContent>
    /** Waits until the ledger is as wanted, and gives it. */
    readonly until: (wanted: (ledger: LedgerContent) => boolean) => Effect.Effect<LedgerContent>
    readonly clearLedger: Effect.Effect<void>
    /** Replaces the script of faults, in the grammar of `FaultStep`; none ends them. */
    readonly setFaults: (faults: ReadonlyArray<string>, seed?: number) => Effect.Effect<void, Schema.SchemaError>
  }
>()("ai-ticket/simulator/Simulator") {
  /** Listens for as long as the layer is there. At its end every connection ends at once. */
  static readonly layer = (
    input: typeof SimulatorOptions.Encoded = {}
  ): Layer.Layer<Simulator, Schema.SchemaError | CannotListen | CannotKeepJournal> =>
    Layer.effect(
      Simulator,
      Effect.gen(function* () {
        const options = yield* decodeOptions(input)
        const engine = yield* makeEngine(options)
        const ledger = yield* makeLedger(options.ledgerSize, yield* openJournal(options.journal))
        const faults = yield* Ref.make(FaultQueue.start(options.faults, options.seed))
        const parts = { options, engine, ledger, faults }
        const control = makeControlRoutes(parts)
        const imitation = options.dialect === "openai" ? makeOpenAiRoutes(parts) : makeRoutes(parts)
        const port = yield* listen(options, (incoming) =>
          incoming.url.startsWith("/simulator/") ? control(incoming) : imitation(incoming)
        )
        const host = options.host.includes(":") ? `[${options.host}]` : options.host
        return Simulator.of({
          url: `http://${host}:${port}`,
          host: options.host,
          port,
          ledger: ledger.content,
          until: ledger.until,
          clearLedger: ledger.clear,
          setFaults: (script, seed = options.seed) =>
            Effect.flatMap(decodeScript(script), (steps) => Ref.set(faults, FaultQueue.start(steps, seed)))
        })
      })
    )
}
