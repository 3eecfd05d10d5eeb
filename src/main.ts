import { fileURLToPath } from "node:url"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Stream from "effect/Stream"
import packageJson from "../package.json" with { type: "json" }
import * as Cli from "./cli/Cli.ts"
import { failure } from "./cli/CommandFailure.ts"
import { LineEditor } from "./cli/chat/LineEditor.ts"
import { exitCodes } from "./cli/ExitCode.ts"
import { cannotListen } from "./cli/Listening.ts"
import type { Programs } from "./cli/Programs.ts"
import { type EndingSignal, makeSignals, Signals } from "./cli/Signals.ts"
import { WrongOption } from "./cli/Simulate.ts"
import { type HeldSignals, ticksOf } from "./HeldSignals.ts"
import { ReloadRequests } from "./services/ConfigReload.ts"
import * as Logging from "./services/Logging.ts"
import { CloserLooks } from "./services/LogLevels.ts"
import { Settings } from "./services/Settings.ts"

/** What may wait for a reader of the log who doesn't read: beyond it lines are lost, and memory is not. */
const mostUnreadBytes = 8 * 1024 * 1024

const writeLog = (text: string) => {
  if (process.stdout.writableLength < mostUnreadBytes) process.stdout.write(text)
}
const log = Logging.gatherLines(writeLog)
process.on("exit", log.flush)

/** After an exception that nobody caught, nothing can be relied on: one line in the log, and out. */
const logCrash = Layer.effectDiscard(
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const onCrash = (error: unknown) => {
      Effect.runSyncWith(context)(Effect.logFatal("Ended by an uncaught exception", Cause.die(error)))
      process.exit(exitCodes.refused.code)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("uncaughtException", onCrash)),
      () => Effect.sync(() => process.off("uncaughtException", onCrash))
    )
  })
)

/** What signals ask of a running service. */
interface Wishes {
  /** A tick for each SIGHUP, which asks for the file of backends to be read again, or for new workers. */
  readonly hangUps: Stream.Stream<void>
  /** A tick for each SIGUSR2, which asks for a log that says more, and then for the usual one again. */
  readonly closerLooks: Stream.Stream<void>
}

// The service and the simulator are loaded by the commands that need them: the others start faster without.
const programsFor = ({ closerLooks, hangUps }: Wishes): Programs => ({
  serve: (sources) =>
    Effect.gen(function* () {
      const { reload, workers } = yield* Settings
      const { greeted } = yield* Effect.promise(() => import("./Service.ts"))
      const service = Layer.provideMerge(greeted, logCrash)
      if (workers === 1 && !reload) {
        return yield* Layer.launch(Layer.provide(service, Layer.succeed(ReloadRequests)(hangUps)))
      }
      const { serve } = yield* Effect.promise(() => import("./Workers.ts"))
      return yield* serve({
        ...{ service, hangUps, closerLooks },
        program: fileURLToPath(import.meta.url),
        write: writeLog,
        end: () => void receive("SIGTERM")
      })
    }).pipe(
      Effect.catchTags({
        ServeError: ({ cause }) => Effect.fail(failure("refused", cannotListen(cause))),
        // It has said itself what kept it.
        FirstWorkerFailed: ({ exitCode }) =>
          Effect.fail(failure(exitCode === exitCodes.usage.code ? "usage" : "refused", ""))
      }),
      Effect.provide(
        Logging.layer(log.write, { terminal: process.stdout.isTTY }).pipe(
          Layer.provideMerge(Settings.layer(sources)),
          Layer.provide(Layer.succeed(CloserLooks)(closerLooks))
        )
      )
    ),

  simulate: (flags, listening) =>
    Effect.gen(function* () {
      const { Simulator } = yield* Effect.promise(() => import("./simulator/Simulator.ts"))
      const told = Layer.effectDiscard(Effect.flatMap(Simulator, ({ url }) => listening(url)))
      return yield* Layer.launch(Layer.provide(told, Simulator.layer(flags)))
    }).pipe(
      Effect.catchTags({
        SchemaError: ({ issue }) => Effect.fail(wrongOption(issue)),
        CannotListen: (error) => Effect.fail(failure("refused", cannotListen(error))),
        CannotKeepJournal: ({ code, path }) =>
          Effect.fail(failure("refused", `Can't write the journal ${path}: ${code}.`))
      })
    )
})

/** The first thing that is wrong with the simulator's options. */
const wrongOption = (issue: SchemaIssue.Issue): WrongOption => {
  const [first] = SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues
  return new WrongOption({ option: String(first?.path?.[0] ?? ""), problem: first?.message ?? "a wrong value" })
}

const { receive, signals } = makeSignals()

/** How long the last output may take to be read once everything else is done. */
const flushMillis = 1000

/** The first signal that no command keeps for itself asks it to end; the second one ends the process at once. */
const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  const onSignal = (signal: EndingSignal) => {
    if (!receive(signal)) process.exit(exitCodes[signal === "SIGINT" ? "interrupted" : "terminated"].code)
  }
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal)
  // What can't be written is lost; whoever must know learns it from the write itself.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
  fiber.addObserver((exit) =>
    teardown(exit, (code) => {
      const end = () => process.exit(code)
      // Nobody may be reading what is still to be written.
      setTimeout(end, flushMillis).unref()
      process.stdout.write("", () => process.stderr.write("", end))
    })
  )
})

const platform = Layer.mergeAll(
  NodeServices.layer,
  // A batch asks thousands of times.
  NodeHttpClient.layerNodeHttpOptions({ keepAlive: true }),
  ConfigProvider.layer(ConfigProvider.fromEnv()),
  Layer.succeed(Signals)(signals),
  LineEditor.layer(() => ({ input: process.stdin, output: process.stderr })),
  Layer.succeed(References.LogToStderr)(true)
)

/** Runs the command line. The signals that may be wishes to a service are held from before this file was loaded. */
export const main = (held: HeldSignals): void => {
  const programs = programsFor({ hangUps: ticksOf(held, "SIGHUP"), closerLooks: ticksOf(held, "SIGUSR2") })
  runMain(Effect.provide(Cli.run(programs, packageJson.version), platform))
}

// From the sources, without the launcher.
if (import.meta.main) main({ SIGHUP: 0, SIGUSR2: 0 })
