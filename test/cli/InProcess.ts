import { PassThrough, Writable } from "node:stream"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as Cli from "../../src/cli/Cli.ts"
import { LineEditor } from "../../src/cli/chat/LineEditor.ts"
import { type EndingSignal, makeSignals, Signals } from "../../src/cli/Signals.ts"

interface OutputSoFar {
  readonly stdout: () => string
  readonly stderr: () => string
}

const broken = Sink.fail(
  PlatformError.systemError({ _tag: "Unknown", module: "Stdio", method: "stdout", description: "EPIPE" })
)

/** Somebody at the terminal. */
export interface Person extends OutputSoFar {
  readonly type: (keys: string) => void
  /** What Ctrl-C is while no line is read, and what others send. */
  readonly signal: (signal: EndingSignal) => void
  /** A key of a command that takes the whole terminal. */
  readonly press: (name: string, options?: { readonly ctrl?: boolean }) => void
  /** Makes the terminal so large. */
  readonly resize: (size: Terminal.Size) => void
  /** Whether keys come as they are pressed, Ctrl-C too. */
  readonly raw: () => boolean
}

interface InProcessOptions {
  readonly env?: Record<string, string>
  readonly terminal?: boolean
  /** Stdout is a terminal if stderr is, unless this says otherwise. */
  readonly stdoutTerminal?: boolean
  /** How large the terminal is; it doesn't tell if not given. */
  readonly size?: Terminal.Size
  /** Nothing can be written to stdout. */
  readonly brokenStdout?: boolean
  readonly stdin?: string
  /** The first signal, which may wait for some output; without it none comes. */
  readonly signal?: (output: OutputSoFar) => Effect.Effect<EndingSignal>
  /** What somebody does at the terminal meanwhile; afterwards the terminal goes away. */
  readonly person?: (person: Person) => Effect.Effect<void>
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
    stdout: () => (options.brokenStdout === true ? broken : Sink.forEach(capture)),
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
  const { receive, signals } = makeSignals()
  let raw = false
  const keyboard = Object.assign(new PassThrough(), {
    setRawMode: (mode: boolean) => {
      raw = mode
    }
  })
  const screen = new Writable({
    write: (chunk, _, done) => {
      stderr += String(chunk)
      done()
    }
  })
  let size = options.size ?? { columns: 0, rows: 0 }
  const keys = yield* Queue.make<Terminal.UserInput, Cause.Done>()
  const sizes = yield* Queue.make<Terminal.Size, Cause.Done>()
  const window = Terminal.make({
    columns: Effect.sync(() => size.columns),
    rows: Effect.sync(() => size.rows),
    size: Effect.succeed(sizes),
    readInput: Effect.succeed(keys),
    readLine: Effect.never,
    display: () => Effect.void
  })
  const output: OutputSoFar = { stdout: () => stdout, stderr: () => stderr }
  const person: Person = {
    ...output,
    type: (keys) => keyboard.write(keys),
    signal: receive,
    press: (name, { ctrl = false } = {}) => {
      Queue.offerUnsafe(keys, { input: Option.none(), key: { name, ctrl, meta: false, shift: false } })
    },
    resize: (next) => {
      size = next
      Queue.offerUnsafe(sizes, next)
    },
    raw: () => raw
  }
  yield* Effect.forkScoped(
    Effect.ensuring(
      options.person?.(person) ?? Effect.void,
      Effect.sync(() => {
        keyboard.end()
        Queue.endUnsafe(keys)
      })
    )
  )
  const exit = yield* Cli.run({ serve: () => Effect.never, simulate: () => Effect.never }, "0.0.0-test").pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeHttpClient.layerNodeHttp,
        ConfigProvider.layer(ConfigProvider.fromEnvRecord(options.env ?? {})),
        Layer.succeed(Signals)({
          first: options.signal?.(output) ?? signals.first,
          nextInterrupt: signals.nextInterrupt
        }),
        LineEditor.layer(() => ({ input: keyboard, output: screen })),
        Layer.succeed(Terminal.Terminal)(window),
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
}, Effect.scoped)
