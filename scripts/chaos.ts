/**
 * Three simulators behind one service, killed, restarted, slowed, and made to answer 503 or rubbish, while clients ask,
 * some of which leave midway. One backend is well at any time. In the end the work of the simulators must balance with
 * the answers that the clients hold, and nearly everybody who stayed must have one. A stream that breaks off because its
 * backend was killed counts as not answered: nobody can mend it.
 *
 *   npm run chaos [-- --seconds 120 --clients 100 --seed 1 --success 0.99 --workers 1]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { balance, readJournal } from "./chaos/books.ts"
import { beginAsking } from "./chaos/clients.ts"
import { print, successOf } from "./chaos/print.ts"
import { scheduleOf } from "./chaos/schedule.ts"
import { openSimulators } from "./chaos/simulators.ts"
import { listening, runScript, startWith, stop } from "./programs.ts"

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    clients: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    /** Processes of the service. */
    workers: { type: "string", default: "1" },
    /** Tokens a second of each generation. */
    pace: { type: "string", default: "400" },
    /** The share of those who stay that must be answered. */
    success: { type: "string", default: "0.99" },
    /** Leaves the journals, the log of the service and all that was asked in a folder, and says where. */
    keep: { type: "boolean", default: false }
  }
})
const seed = Number(options.seed)
const clients = Number(options.clients)
const millis = Number(options.seconds) * 1000

const directory = mkdtempSync(join(tmpdir(), "ai-ticket-chaos-"))

/** What a gauge of the service says. */
const gauge = (metrics: string, name: string) =>
  Number(new RegExp(`^ai_ticket_${name} (\\S+)$`, "m").exec(metrics)?.[1])

/** Nobody in line, no slot taken: what was aborted has been heard of. */
const untilAtRest = async (url: string): Promise<boolean> => {
  for (let look = 0; look < 50; look++) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    if (gauge(metrics, "queue_depth") === 0 && gauge(metrics, "slots_in_use") === 0) return true
    await sleep(100)
  }
  return false
}

const chaos = async (): Promise<void> => {
  const troubles = scheduleOf(seed, millis)
  const simulators = await openSimulators(directory, Number(options.pace))
  const tokens = Array.from({ length: Math.min(clients, 10) }, (_, index) => `chaos-client-${index}`)
  const settings = {
    AI_TICKET_AUTH_TOKEN: tokens.join(","),
    AI_TICKET_CONFIG: simulators.configFile,
    AI_TICKET_QUEUE_LIMIT: String(clients),
    ...{ RATE_LIMIT_REQUESTS: "0", LOG_LEVEL: "INFO", ACCESS_LOG_LEVEL: "ERROR" }
  }
  const service = startWith(settings, "serve", "--port", "0", "--workers", options.workers)
  const url = await listening(service)

  const stopAsking = beginAsking({ url, tokens, seed, clients })
  const [began, startedAt] = [performance.now(), Date.now()]
  const reach = (at: number) => sleep(Math.max(0, began + at - performance.now()))
  const suffer = async (trouble: (typeof troubles)[number]) => {
    await reach(trouble.at)
    const mend = await simulators.trouble(trouble)
    await reach(Math.min(trouble.at + trouble.lasts, millis))
    if ((await mend()).moved) service.child.kill("SIGHUP")
  }
  await Promise.all([...troubles.map(suffer), reach(millis)])
  const asked = await stopAsking()
  const rested = await untilAtRest(url)
  await stop(service)
  await simulators.stop()

  if (options.keep) {
    writeFileSync(join(directory, "service.log"), service.output.stdout)
    writeFileSync(join(directory, "asked.json"), JSON.stringify(asked))
    writeFileSync(join(directory, "troubles.json"), JSON.stringify({ startedAt, troubles }))
  }
  const books = balance(asked, simulators.runs.flatMap(readJournal))
  const wrong = rested ? books.wrong : [...books.wrong, "the service has slots taken with nobody to use them"]
  process.stdout.write(`seed ${seed}, ${options.seconds} s, ${clients} clients\n`)
  print(asked, { ...books, wrong }, troubles)
  if (wrong.length > 0) throw new Error(`${wrong.length} things don't balance`)
  if (successOf(asked) < Number(options.success)) throw new Error("too few were answered")
}

try {
  await runScript("The chaos", chaos)
} finally {
  if (options.keep) process.stdout.write(`kept in ${directory}\n`)
  else rmSync(directory, { recursive: true, force: true })
}
// Where it failed midway, clients still ask, and troubles are still to come.
process.exit()
