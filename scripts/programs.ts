/** Starts the built program for scripts that need several of it, and ends what they started. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const dist = fileURLToPath(new URL("../dist", import.meta.url))

/** How long one step may take. */
const patienceMillis = 20_000

export interface Program {
  readonly child: ChildProcess
  readonly name: string
  readonly output: { stdout: string; stderr: string }
  readonly exited: Promise<number | null>
}

const programs: Array<Program> = []
const interrupted = new AbortController()

/** In a group of its own, so that Ctrl-C reaches only us; away from whatever settings the environment holds. */
export const start = (name: string, ...args: ReadonlyArray<string>): Program => startWith({}, name, ...args)

export const startWith = (
  settings: Readonly<Record<string, string>>,
  name: string,
  ...args: ReadonlyArray<string>
): Program => {
  const { PATH = "", SystemRoot = "" } = process.env
  const child = spawn(process.execPath, [`${dist}/ai-ticket.js`, name, ...args], {
    cwd: dist,
    detached: true,
    env: { PATH, SystemRoot, ...settings },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const output = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text
  })
  const exited = once(child, "close").then(([code]) => code as number | null)
  exited.catch(() => {})
  const program = { child, name, output, exited }
  programs.push(program)
  return program
}

/** Waits, but not for ever, and not on after Ctrl-C. */
export const patiently = <A>(what: string, wanted: Promise<A>): Promise<A> =>
  new Promise<A>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} took too long.`)), patienceMillis)
    wanted.then(resolve, reject).finally(() => clearTimeout(timer))
    interrupted.signal.addEventListener("abort", () => reject(new Error("Interrupted.")), { once: true })
    interrupted.signal.throwIfAborted()
  })

/** The address that a program says it listens on. */
export const listening = ({ child, exited, name, output }: Program): Promise<string> =>
  patiently(
    `The start of ${name}`,
    new Promise<string>((resolve, reject) => {
      child.stdout?.on("data", () => {
        const address = /\bon (http:[^\s"]+)/.exec(output.stdout)?.[1]
        if (address !== undefined) resolve(address)
      })
      exited.then(
        (code) => reject(new Error(`${name} ended with ${code} before it listened. ${output.stderr}`)),
        reject
      )
    })
  )

export const stop = async ({ child, exited, name, output }: Program): Promise<void> => {
  child.kill("SIGTERM")
  const code = await patiently(`The end of ${name}`, exited)
  if (code !== 0) throw new Error(`${name} ended with ${code}. ${output.stderr}`)
}

/** Runs a script to its end: what it started ends with it, whatever happens. */
export const runScript = async (what: string, script: () => Promise<void>): Promise<void> => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort())
  try {
    await script()
  } catch (error) {
    process.stderr.write(`${what} failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } finally {
    for (const { child } of programs) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
  }
}
