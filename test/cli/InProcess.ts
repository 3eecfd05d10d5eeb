import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Cli from "../../src/cli/Cli.ts"
import { type EndingSignal, Signals } from "../../src/cli/Signals.ts"

interface OutputSoFar {
  readonly stdout: () => string
  readonly stderr: () => string
}

interface InProcessOptions {
  readonly env?: Record<string, string>
  readonly terminal?: boolean
  /** Stdout is a terminal if stderr is, unless this says otherwise. */
  readonly stdoutTerminal?: boolean
  readonly stdin?: string
  /** The first signal, which may wait for some output; without it none comes. */
  readonly signal?: (output: OutputSoFar) => Effect.Effect<EndingSignal>
}

/**
 * Runs the command line in this process, with an environment and a terminal of the test's choice. What `serve` and
 * `simulate` would start never ends.
 */
export const runInProcess = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: InProcessOptions = {}) {
  let stdout = ""
  let stderr = ""
  const terminal = Effect.succeed(options.terminal === true)
  const capture = (chunk: string | Uint8Array) =>
    Effect.sync(() => {
      stdout += String(chunk)
    })
  const captureError = (chunk: string | Uint8Array) =>
    Effect.sync(() => {
      stderr += String(chunk)
    })
  const stdio = Stdio.layerTest({
    args: Effect.succeed(args),
    stdout: () => Sink.forEach(capture),
    stderr: () => Sink.forEach(captureError),
    stdinIsTerminal: terminal,
    stdoutIsTerminal: options.stdoutTerminal === undefined ? terminal : Effect.succeed(options.stdoutTerminal),
    stdin: options.stdin === undefined ? Stream.empty : Stream.make(Buffer.from(options.stdin)),
    stderrIsTerminal: terminal
  })
  const console: Console.Console = {
    ...globalThis.console,
    log: (...parts) => {
      stdout += `${parts.join(" ")}\n`
    },
    error: (...parts) => {
      stderr += `${parts.join(" ")}\n`
    }
  }
  const exit = yield* Cli.run({ serve: () => Effect.never, simulate: () => Effect.never }, "0.0.0-test").pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeHttpClient.layerNodeHttp,
        ConfigProvider.layer(ConfigProvider.fromEnvRecord(options.env ?? {})),
        Layer.succeed(Signals)({
          first: options.signal?.({ stdout: () => stdout, stderr: () => stderr }) ?? Effect.never,
          nextInterrupt: Effect.never
        }),
        Layer.succeed(Console.Console)(console)
      ).pipe(Layer.provideMerge(stdio), Layer.provideMerge(NodeServices.layer))
    ),
    Effect.exit
  )
  let code = Number.NaN
  Runtime.defaultTeardown(exit, (value) => {
    code = value
  })
  return { code, stdout, stderr }
})
