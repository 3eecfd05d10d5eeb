/**
 * The whole way of an event, from the command line to an answer: starts the simulator and the service on free ports,
 * asks over HTTP, prints the completion, and stops both.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const dist = fileURLToPath(new URL("../dist", import.meta.url))

/** How long one step may take. */
const patienceMillis = 20_000

interface Program {
  readonly child: ChildProcess
  readonly name: string
  readonly output: { stdout: string; stderr: string }
  readonly exited: Promise<number | null>
}

const programs: Array<Program> = []
const interrupted = new AbortController()

/** In a group of its own, so that Ctrl-C reaches only us; away from whatever settings the environment holds. */
const start = (name: string, ...args: ReadonlyArray<string>): Program => {
  const { PATH = "", SystemRoot = "" } = process.env
  const child = spawn(process.execPath, [`${dist}/ai-ticket.js`, name, ...args], {
    cwd: dist,
    detached: true,
    env: { PATH, SystemRoot },
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
const patiently = <A>(what: string, wanted: Promise<A>): Promise<A> =>
  new Promise<A>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} took too long.`)), patienceMillis)
    wanted.then(resolve, reject).finally(() => clearTimeout(timer))
    interrupted.signal.addEventListener("abort", () => reject(new Error("Interrupted.")), { once: true })
    interrupted.signal.throwIfAborted()
  })

/** The address that a program says it listens on. */
const listening = ({ child, exited, name, output }: Program): Promise<string> =>
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

const stop = async ({ child, exited, name, output }: Program): Promise<void> => {
  child.kill("SIGTERM")
  const code = await patiently(`The end of ${name}`, exited)
  if (code !== 0) throw new Error(`${name} ended with ${code}. ${output.stderr}`)
}

const demo = async (prompt: string): Promise<void> => {
  const simulator = start("simulate", "--port", "0")
  const backend = await listening(simulator)
  const service = start("serve", "--port", "0", "--koboldcpp-url", backend, "--log-level", "info")
  const asking = start("prompt", "--server-url", await listening(service), "--", prompt)
  if ((await patiently("The answer", asking.exited)) !== 0) throw new Error(`No completion. ${asking.output.stderr}`)
  process.stdout.write(asking.output.stdout)
  await stop(service)
  await stop(simulator)
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort())
try {
  await demo(process.argv[2] ?? "Summarise open tickets")
} catch (error) {
  process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  for (const { child } of programs) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
}
