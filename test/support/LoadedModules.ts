import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

const hook = new URL("noteModules.mjs", import.meta.url).href
const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** Starts the service from its sources, with these variables alone, and gives the modules it has loaded by the time it listens. */
export const modulesOf = (env: Readonly<Record<string, string>>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const child = spawn(process.execPath, ["--import", hook, program, "serve"], { env: { PORT: "0", ...env } })
    let told = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      told += text
    })
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes("Listening on")) child.kill("SIGKILL")
    })
    child.on("close", () => {
      resume(
        said.includes("Listening on")
          ? Effect.succeed([...told.matchAll(/^loaded (.*)$/gm)].map(([, url = ""]) => url))
          : Effect.die(new Error(`it did not start: ${said}${told.slice(-2000)}`))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
