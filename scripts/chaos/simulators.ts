/** The simulators of a run: started, killed, brought back, and told what to do wrong. */
import { renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { listening, type Program, patiently, start, stop } from "../programs.ts"
import { type Backend, backends, faultsOf, type Trouble } from "./schedule.ts"

/** A process that simulated a backend, or still does. */
export interface Run {
  readonly backend: Backend
  readonly journal: string
}

/** How long the service waits for an answer of a backend, in seconds. */
const answerSeconds = 4

export const openSimulators = async (directory: string, tokensPerSecond: number) => {
  const runs: Array<Run> = []
  const current = new Map<Backend, { readonly program: Program; readonly url: string }>()
  const configFile = join(directory, "backends.json")

  const begin = async (backend: Backend, port: string) => {
    const journal = join(directory, `${backend.name}-${runs.length}.jsonl`)
    runs.push({ backend, journal })
    writeFileSync(journal, "")
    const manner = backend.kind === "openai" ? ["--dialect", "openai", "--slots", String(backend.slots)] : []
    const pace = ["--tokens-per-second", String(tokensPerSecond)]
    const program = start("simulate", "--port", port, "--journal", journal, ...pace, ...manner)
    current.set(backend, { program, url: await listening(program) })
  }

  const get = (backend: Backend) => {
    const running = current.get(backend)
    if (running === undefined) throw new Error(`${backend.name} isn't running.`)
    return running
  }

  /** As the service is to see them; replaced whole. */
  const writeConfig = () => {
    const entries = backends.map((backend) => {
      const { url } = get(backend)
      const { kind, name, slots } = backend
      const timeouts = { answer_seconds: answerSeconds }
      return { name, kind, url: kind === "openai" ? `${url}/v1` : url, slots, timeouts }
    })
    writeFileSync(`${configFile}.new`, JSON.stringify({ backends: entries }))
    renameSync(`${configFile}.new`, configFile)
  }

  const script = async (backend: Backend, faults: ReadonlyArray<string>, seed: number) => {
    const response = await patiently(
      `The script of ${backend.name}`,
      fetch(`${get(backend).url}/simulator/faults`, { method: "POST", body: JSON.stringify({ faults, seed }) })
    )
    if (!response.ok) throw new Error(`${backend.name} doesn't take ${faults.join(", ")}: ${await response.text()}`)
  }

  for (const backend of backends) await begin(backend, "0")
  writeConfig()

  return {
    configFile,
    runs,
    /** Troubles a backend. What it returns makes it well again, and says whether it is somewhere else now. */
    trouble: async ({ at, backend, kind, moves }: Trouble): Promise<() => Promise<{ readonly moved: boolean }>> => {
      if (kind !== "killed") {
        await script(backend, faultsOf(kind, backend), at)
        return async () => {
          await script(backend, [], at)
          return { moved: false }
        }
      }
      const { program, url } = get(backend)
      program.child.kill("SIGKILL")
      await patiently("The kill", program.exited)
      return async () => {
        const there = moves ? Promise.reject(new Error("elsewhere")) : begin(backend, new URL(url).port)
        // Somebody else may have the port by now.
        const moved = await there.then(
          () => false,
          () => true
        )
        if (moved) await begin(backend, "0")
        if (moved) writeConfig()
        return { moved }
      }
    },
    stop: async () => {
      for (const { program } of current.values()) await stop(program)
    }
  }
}
