/**
 * How long the program takes to start: as it is shipped, without Node's compile cache, and not bundled at all.
 *
 *   npm run startup [-- --runs 11]
 *
 * `--version` is from spawn to exit, `serve` from spawn to the first 200 of `GET /health`; medians, in milliseconds. Each
 * way has a cache of its own, filled by a run that isn't counted. Nothing here passes or fails.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const root = fileURLToPath(new URL("..", import.meta.url))
const { values } = parseArgs({ options: { runs: { type: "string", default: "11" } } })
const folder = mkdtempSync(join(tmpdir(), "ai-ticket-startup-"))

const bundled = join(root, "dist", "ai-ticket.js")
/** The sources as they are, and the packages as they are installed. */
const single = join(folder, "single.mjs")
writeFileSync(
  single,
  `import { enableCompileCache } from "node:module"\nenableCompileCache()\nconst { main } = await import(${JSON.stringify(join(root, "src", "main.ts"))})\nmain({ SIGHUP: 0, SIGUSR2: 0 })\n`
)

const ways = [
  {
    name: "as it is shipped: bundle and compile cache",
    program: bundled,
    env: { NODE_COMPILE_CACHE: join(folder, "1") }
  },
  { name: "bundle, no compile cache", program: bundled, env: { NODE_DISABLE_COMPILE_CACHE: "1" } },
  { name: "not bundled, compile cache", program: single, env: { NODE_COMPILE_CACHE: join(folder, "2") } },
  { name: "not bundled, no compile cache", program: single, env: { NODE_DISABLE_COMPILE_CACHE: "1" } }
]
type Way = (typeof ways)[number]

const start = ({ env, program }: Way, ...args: ReadonlyArray<string>) =>
  spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] })

const version = async (way: Way): Promise<number> => {
  const begun = performance.now()
  const child = start(way, "--version")
  child.stdout.resume()
  const [code] = await once(child, "exit")
  if (code !== 0) throw new Error(`${way.name}: --version ended with ${code}`)
  return performance.now() - begun
}

const firstAnswer = async (way: Way): Promise<number> => {
  const begun = performance.now()
  const child = start(way, "serve", "--port", "0")
  try {
    let text = ""
    for await (const more of child.stdout) {
      text += String(more)
      const url = /\bon (http:[^\s"]+)/.exec(text)?.[1]
      if (url === undefined) continue
      const { status } = await fetch(`${url}/health`)
      if (status !== 200) throw new Error(`${way.name}: /health answered ${status}`)
      return performance.now() - begun
    }
    throw new Error(`${way.name}: it ended before it listened`)
  } finally {
    child.kill("SIGTERM")
    if (child.exitCode === null) await once(child, "exit")
  }
}

const median = (numbers: ReadonlyArray<number>): number =>
  [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN

const measured = new Map(ways.map((way) => [way, { version: [] as Array<number>, serve: [] as Array<number> }]))
try {
  // In turns, so that whatever else the machine does hits all; the first round fills the caches.
  for (let run = -1; run < Number(values.runs); run++) {
    for (const [way, { serve, version: versions }] of measured) {
      const took = [await version(way), await firstAnswer(way)] as const
      if (run < 0) continue
      versions.push(took[0])
      serve.push(took[1])
    }
  }
  console.log(`Node ${process.version}; medians of ${values.runs}, in milliseconds\n`)
  console.log(`${"".padEnd(44)}--version   serve, to the first 200`)
  for (const [{ name }, { serve, version: versions }] of measured) {
    console.log(name.padEnd(44) + median(versions).toFixed(0).padStart(9) + median(serve).toFixed(0).padStart(26))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
