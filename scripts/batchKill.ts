/**
 * A batch that is killed again and again: ten thousand events, one in a hundred of which fails, through the command line,
 * the service and the simulator as processes of their own. Each SIGKILL comes when the output has grown by a quarter; in
 * the end every event must be there once, and nothing that was written may be gone.
 *
 * `npm run batch:kill -- 2000` takes another number of events.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { listening, type Program, patiently, runScript, start, startWith, stop } from "./programs.ts"

const count = Number(process.argv[2] ?? 10_000)
const poisoned = (id: number) => id % 100 === 7

const directory = mkdtempSync(join(tmpdir(), "ai-ticket-batch-kill-"))
const input = join(directory, "events.jsonl")
const output = join(directory, "results.jsonl")

const written = () => (existsSync(output) ? readFileSync(output, "utf8") : "")
const wholeLines = (text: string) => text.slice(0, text.lastIndexOf("\n") + 1)
const linesIn = (text: string) => text.split("\n").length - 1

const say = (text: string) => process.stdout.write(`${text}\n`)

const grownTo = async ({ child, output: { stderr } }: Program, lines: number): Promise<void> => {
  while (linesIn(written()) < lines) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The batch ended by itself. ${stderr}`)
    await sleep(20)
  }
}

const killAt = async (batch: Program, lines: number): Promise<void> => {
  await patiently("A part of the batch", grownTo(batch, lines))
  batch.child.kill("SIGKILL")
  await patiently("The kill", batch.exited)
}

/** Every event has one result, in whatever order, and those that had to fail failed. */
const check = (text: string): void => {
  const seen = new Map<number, boolean>()
  for (const line of text.split("\n").slice(0, -1)) {
    const { error, id }: { readonly id: number; readonly error?: string } = JSON.parse(line)
    if (seen.has(id)) throw new Error(`Event ${id} has two results.`)
    seen.set(id, error !== undefined)
  }
  for (let id = 0; id < count; id++) {
    if (seen.get(id) !== poisoned(id)) throw new Error(`Event ${id} has no result, or a wrong one.`)
  }
}

const killing = async (): Promise<void> => {
  for (let id = 0; id < count; id++) {
    const content = poisoned(id) ? null : { prompt: `Event ${id}`, max_tokens: 8 }
    appendFileSync(input, `${JSON.stringify({ id, content })}\n`)
  }
  const simulator = start("simulate", "--port", "0", "--tokens-per-second", "0")
  const settings = { RATE_LIMIT_REQUESTS: "0", LOG_LEVEL: "INFO", ACCESS_LOG_LEVEL: "ERROR" }
  const service = startWith(settings, "serve", "--port", "0", "--koboldcpp-url", await listening(simulator))
  const args = [input, "--output", output, "--resume", "--server-url", await listening(service)]
  const began = performance.now()
  let before = ""
  for (const share of [0.25, 0.5, 0.75]) {
    await killAt(start("batch", ...args), Math.floor(share * count))
    if (!written().startsWith(before)) throw new Error("A result that was written is gone.")
    before = wholeLines(written())
    say(`killed with ${linesIn(before)} results written, after ${seconds(began)}`)
  }
  const last = start("batch", ...args)
  const code = await patiently("The last run", last.exited)
  if (code !== 1) throw new Error(`The last run ended with ${code}, and not with 1 for the events that fail.`)
  if (!written().startsWith(before)) throw new Error("A result that was written is gone.")
  check(written())
  say(`${count} events, each with one result, after ${seconds(began)}`)
  say(`the last run: ${last.output.stderr.trim()}`)
  await stop(service)
  await stop(simulator)
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

writeFileSync(input, "")
try {
  await runScript("The batch", killing)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
