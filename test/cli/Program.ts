import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { buildProgram } from "../../scripts/build.ts"
import { eventually } from "../support/TestService.ts"

export interface RunOptions {
  readonly env?: Record<string, string>
  readonly stdin?: string
  /** Leaves stdin open, for more to be written to it. */
  readonly openStdin?: boolean
  /** Options of Node itself. */
  readonly node?: ReadonlyArray<string>
}

/** A running `ai-ticket`. */
export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Effect.Effect<number | string>
  /** Where it says that it listens. */
  readonly url: Effect.Effect<string>
}

/** The program as it is shipped, in a directory of its own and without settings from outside. */
export class Program extends Context.Service<
  Program,
  {
    /** The directory it runs in. */
    readonly directory: string
    readonly start: (args: ReadonlyArray<string>, options?: RunOptions) => Running
  }
>()("ai-ticket/test/cli/Program") {
  static readonly layer = Layer.effect(
    Program,
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "ai-ticket-cli-"))
      const children = new Set<ChildProcess>()
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const child of children) child.kill("SIGKILL")
          rmSync(directory, { recursive: true, force: true })
        })
      )
      const dist = join(directory, "dist")
      yield* Effect.promise(() => buildProgram(dist))
      writeFileSync(join(dist, "package.json"), '{"type":"module"}')
      return Program.of({
        directory,
        start: (args, options = {}) => {
          const child = spawn(process.execPath, [...(options.node ?? []), join(dist, "ai-ticket.js"), ...args], {
            cwd: directory,
            env: { NODE_COMPILE_CACHE: join(directory, "cache"), ...options.env }
          })
          children.add(child)
          child.on("exit", () => children.delete(child))
          return watch(child, options)
        }
      })
    })
  )
}

const watch = (child: ReturnType<typeof spawn>, { openStdin = false, stdin = "" }: RunOptions): Running => {
  let stdout = ""
  let stderr = ""
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  child.stdin?.on("error", () => {})
  child.stdin?.write(stdin)
  if (!openStdin) child.stdin?.end()
  const closed = once(child, "close").then(([code, signal]): number | string => code ?? signal)
  const address = () => /\bon (http:[^\s"]+)/.exec(stdout)?.[1]
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited: Effect.promise(() => closed),
    url: Effect.map(
      eventually(() => address() !== undefined || child.exitCode !== null),
      () => address() ?? `nowhere: ${stderr}`
    )
  }
}

/** Starts the program, for as long as the scope is open. */
export const start = (args: ReadonlyArray<string>, options?: RunOptions) =>
  Effect.acquireRelease(
    Program.use((program) => Effect.sync(() => program.start(args, options))),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Runs the program to its end. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options?: RunOptions) {
  const running = yield* start(args, options)
  const code = yield* running.exited
  return { code, stdout: running.stdout(), stderr: running.stderr() }
}, Effect.scoped)
