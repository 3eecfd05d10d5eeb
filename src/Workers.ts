import cluster from "node:cluster"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Service from "./Service.ts"
import { layerCounters } from "./services/RateLimit.ts"
import { definitions, Settings } from "./services/Settings.ts"
import { Fellows } from "./services/workers/Fellows.ts"
import { changesOf } from "./services/workers/FileChanges.ts"
import { supervise } from "./services/workers/Supervisor.ts"
import { linkToKeeper } from "./services/workers/WorkerLink.ts"

/** What the process lends to several workers. */
interface Lent<E, R> {
  readonly service: Layer.Layer<Layer.Success<typeof Service.layer>, E, R>
  readonly hangUps: Stream.Stream<void>
  readonly closerLooks: Stream.Stream<void>
  /** The file that the program is, and its workers too. */
  readonly program: string
  /** Writes to the log. */
  readonly write: (text: string) => void
  /** Asks this process to end, as a signal would. */
  readonly end: () => void
}

/** The service in several processes: this one keeps what they have in common, or is one of them. */
export const serve = <E, R>(lent: Lent<E, R>) => (cluster.isPrimary ? keep(lent) : work(lent))

const keep = <E, R>({ closerLooks, hangUps, program, write }: Lent<E, R>) =>
  Effect.gen(function* () {
    const { configFile, logFormat, reload, workers } = yield* Settings
    const changes = reload
      ? changesOf([program, ".env", ...(configFile === undefined ? [] : [configFile])])
      : Stream.never
    const pretty = logFormat === undefined && process.stdout.isTTY
    return yield* supervise({
      ...{ closerLooks, write },
      writeError: (text) => process.stderr.write(text),
      restarts: Stream.merge(hangUps, changes),
      env: {
        // A file of settings may say something else by now; how many share what they do is the same for all.
        [definitions.workers.variable]: String(workers),
        [definitions.reload.variable]: String(reload),
        // Theirs is no terminal.
        ...(pretty ? { [definitions.logFormat.variable]: "pretty" } : {})
      }
    })
  }).pipe(Effect.scoped, Effect.provide(layerCounters))

const work = <E, R>({ end, service }: Lent<E, R>) =>
  Effect.gen(function* () {
    const { workers } = yield* Settings
    // It is for the keeper, whoever else of its group gets it.
    yield* Effect.sync(() => process.on("SIGHUP", () => {}))
    const fellows = yield* linkToKeeper({ workers, end })
    return yield* Layer.launch(Layer.provide(service, Layer.succeed(Fellows)(fellows)))
  }).pipe(Effect.scoped)
