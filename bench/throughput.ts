/**
 * The service beside a bare node:http proxy that makes the same forward: same machine, same backend, in turns, as fast as
 * each goes, and then all at once, at `rate` requests a second for all together, at even distances or in bursts.
 *
 *   npm run bench [-- --rounds 10 --seconds 2 --lead 1 --processes 2 --connections 32
 *                     --backend close|keep --workers 1 --collector up|slow|failing|down,... --sampling 0.1
 *                     --rate 1000 [--bursts] --node="--maglev ..."]
 *
 * The service runs as it is deployed, with auth, rate limit, metrics and logs on. With collectors, services that export
 * traces, metrics and logs to one of each kind run in the same turns; with options for Node, one more of each that has them
 * too. Nothing here passes or fails: it prints what it measured.
 */

import { availableParallelism, cpus } from "node:os"
import { parseArgs } from "node:util"
import autocannon from "autocannon"
import { evenly } from "./evenly.ts"
import { cpuSeconds, endAll, firstMatch, residentMegabytes, serviceCommand, start, token } from "./processes.ts"

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    seconds: { type: "string", default: "2" },
    lead: { type: "string", default: "1" },
    rate: { type: "string", default: "1000" },
    bursts: { type: "boolean", default: false },
    processes: { type: "string", default: "2" },
    connections: { type: "string", default: "32" },
    backend: { type: "string", default: "close" },
    workers: { type: "string", default: "1" },
    collector: { type: "string", default: "" },
    sampling: { type: "string", default: "0.1" },
    node: { type: "string", default: "" }
  }
})
const rounds = Number(options.rounds)
const seconds = Number(options.seconds)
const lead = Number(options.lead)
const rate = Number(options.rate)
const processes = Number(options.processes)
const connections = Number(options.connections)

const body = JSON.stringify({ content: { prompt: "Why does the printer on the second floor blink?", max_tokens: 64 } })
const headers = { "content-type": "application/json", authorization: `Bearer ${token}` }
const fire = (url: string, duration: number, overallRate?: number) =>
  autocannon({
    ...{ url, connections, duration, method: "POST", body, headers },
    ...(overallRate === undefined ? {} : { overallRate })
  })

/** Ten seconds at a rate: spread out, or all of a second's at its beginning, as autocannon sends them. */
const fireAt = async (url: string, rate: number) => {
  if (!options.bursts) return evenly({ url, body, headers }, { rate, seconds: 10 })
  const { errors, non2xx, requests } = await fire(url, 10, rate)
  return { total: requests.total, failed: errors + non2xx }
}

/**
 * Load that doesn't count comes first: V8 collects the garbage of a process that has nothing to do, but for one that does
 * something now and then, and would have that one pay for it alone.
 */
const measure = async ({ process: { pid }, url }: Contender) => {
  if (lead > 0) await fire(url, lead)
  let memory = 0
  const before = cpuSeconds(pid)
  const watch = setInterval(() => {
    memory = Math.max(memory, residentMegabytes(pid))
  }, 200)
  const result = await fire(url, seconds)
  clearInterval(watch)
  return {
    requestsPerSecond: result.requests.average,
    microseconds: ((cpuSeconds(pid) - before) * 1e6) / result.requests.total,
    p50: result.latency.p50,
    p99: result.latency.p99,
    memory,
    failed: result.non2xx + result.errors
  }
}

/** All at once, at the same rate: whatever the machine does meets all of them alike, and none has a pause. */
const together = async (contenders: ReadonlyArray<Contender>) => {
  const cpu = () => contenders.map(({ process: { pid } }) => cpuSeconds(pid))
  const before = cpu()
  const results = await Promise.all(contenders.map(({ url }) => fireAt(url, Math.floor(rate / contenders.length))))
  const after = cpu()
  return results.map(({ failed, total }, at) => ({
    name: contenders[at]?.name ?? "",
    microseconds: (((after[at] ?? 0) - (before[at] ?? 0)) * 1e6) / total,
    failed
  }))
}

interface Contender {
  readonly name: string
  readonly process: ReturnType<typeof start>
  readonly url: string
}

/** What was measured of a process in a round. */
interface Sample {
  readonly name: string
  readonly round: number
}
type Turn = Sample & Awaited<ReturnType<typeof measure>>

const median = (numbers: ReadonlyArray<number>): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

const startUp = async (backend: string) => {
  const begun = performance.now()
  const child = start(serviceCommand(), serviceSettings(backend))
  const url = await firstMatch(child, /Listening on (http:\/\/[^"\s]+)/)
  while ((await fetch(`${url}/health`)).status !== 200);
  const took = performance.now() - begun
  child.kill("SIGTERM")
  await new Promise((resolve) => child.on("exit", resolve))
  return took
}

const serviceSettings = (backend: string) => ({
  KOBOLDCPP_API_URL: `http://127.0.0.1:${backend}/api`,
  PORT: "0",
  AI_TICKET_AUTH_TOKEN: token,
  RATE_LIMIT_REQUESTS: "1000000",
  RATE_LIMIT_WINDOW_SECONDS: "60",
  AI_TICKET_WORKERS: options.workers,
  AI_TICKET_SLOTS: "64",
  AI_TICKET_QUEUE_LIMIT: "1000"
})

const plain = "bare proxy"
const ours = "ai-ticket"
const others = "other options"
const withCollector = (mood: string) => `collector ${mood}`
const withOthers = (name: string) => `${name}, ${others}`

const proxy = async (backend: string): Promise<Contender> => {
  const process = start(["bench/bareProxy.ts", backend])
  return { name: plain, process, url: `http://127.0.0.1:${await firstMatch(process, /^(\d+)$/)}/` }
}

const serve = async (name: string, env: Record<string, string>, nodeOptions = ""): Promise<Contender> => {
  const process = start(serviceCommand(nodeOptions), env)
  return { name, process, url: `${await firstMatch(process, /Listening on (http:\/\/[^"\s]+)/)}/event` }
}

/** One of each kind. */
const contendersOf = async (backend: string, moods: ReadonlyArray<string>): Promise<ReadonlyArray<Contender>> => {
  const settings = serviceSettings(backend)
  const found = [await proxy(backend), await serve(ours, settings)]
  if (options.node !== "") found.push(await serve(others, settings, options.node))
  for (const mood of moods) {
    const env = async () => ({ ...settings, ...(await exportTo(mood)) })
    found.push(await serve(withCollector(mood), await env()))
    if (options.node !== "") found.push(await serve(withOthers(withCollector(mood)), await env(), options.node))
  }
  return found
}

/** What a service needs to export everything to a collector; to nobody, where that is down. */
const exportTo = async (mood: string): Promise<Record<string, string>> => {
  const port = mood === "down" ? "9" : await firstMatch(start(["bench/collector.ts", mood]), /^(\d+)$/)
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: options.sampling,
    OTEL_METRIC_EXPORT_INTERVAL: "5000"
  }
}

const inAnyOrder = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

/**
 * A figure beside another's, and the standard error of that: by rounds, for what else the machine does is much the same
 * within one, and by logarithms, for a ratio.
 */
const beside = <T extends Sample>(
  turns: ReadonlyArray<T>,
  figure: (turn: T) => number,
  name: string,
  other: string
) => {
  const inRound = (round: number, of: string) =>
    mean(turns.filter((turn) => turn.round === round && turn.name === of).map((turn) => Math.log(figure(turn))))
  const differences = Array.from({ length: rounds }, (_, round) => inRound(round, name) - inRound(round, other))
  const average = mean(differences)
  const variance = mean(differences.map((difference) => (difference - average) ** 2)) / Math.max(rounds - 1, 1)
  return `${Math.exp(average).toFixed(2)} ±${(Math.exp(average) * Math.sqrt(variance)).toFixed(2)}`
}

const main = async () => {
  const backend = await firstMatch(start(["bench/backend.ts", options.backend]), /^(\d+)$/)
  const startUps: Array<number> = []
  for (let run = 0; run < 7; run++) startUps.push(await startUp(backend))

  const moods = options.collector.split(",").filter((word) => word !== "")
  const contenders: Array<Contender> = []
  for (let run = 0; run < processes; run++) contenders.push(...(await contendersOf(backend, moods)))

  // All warm before any counts.
  for (const { url } of contenders) await fire(url, 3)

  const turns: Array<Turn> = []
  for (let round = 0; round < rounds; round++) {
    for (const contender of inAnyOrder(contenders)) {
      turns.push({ name: contender.name, round, ...(await measure(contender)) })
    }
  }

  const atOnce: Array<Sample & { readonly microseconds: number; readonly failed: number }> = []
  await together(contenders)
  for (let round = 0; round < rounds; round++) {
    for (const one of await together(contenders)) atOnce.push({ ...one, round })
  }

  const closing = options.backend === "keep" ? "keeps its connections" : "closes after each answer, as KoboldCpp does"
  console.log(`The backend ${closing}`)
  console.log(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`)
  console.log(
    `${connections} connections, ${rounds} rounds of ${seconds} s in turns, ${processes} processes of each kind`
  )
  console.log(`Workers of the service: ${options.workers}\n`)
  if (moods.length > 0) console.log(`Collectors get traces (a share of ${options.sampling}), metrics and logs\n`)
  const names = contenders.slice(0, contenders.length / processes).map(({ name }) => name)
  const longest = Math.max(...names.map((name) => name.length))
  console.log(`${"Medians".padEnd(longest)}    req/s   CPU us    p50 ms   p99 ms   memory MB   failed`)
  for (const name of names) {
    const own = turns.filter((turn) => turn.name === name)
    const column = (pick: (turn: Turn) => number, digits: number, width: number) =>
      median(own.map(pick)).toFixed(digits).padStart(width)
    console.log(
      name.padEnd(longest) +
        column((turn) => turn.requestsPerSecond, 0, 9) +
        column((turn) => turn.microseconds, 0, 9) +
        column((turn) => turn.p50, 1, 10) +
        column((turn) => turn.p99, 1, 9) +
        column((turn) => turn.memory, 0, 12) +
        own
          .reduce((sum, { failed }) => sum + failed, 0)
          .toFixed(0)
          .padStart(9)
    )
  }
  const compare = (name: string, other: string) =>
    console.log(
      `${name} beside ${other}: throughput ${beside(turns, (turn) => turn.requestsPerSecond, name, other)},`,
      `CPU a request ${beside(turns, (turn) => turn.microseconds, name, other)} in turns,`,
      `${beside(atOnce, (turn) => turn.microseconds, name, other)} at once`
    )
  const spread = options.bursts ? "in bursts" : "at even distances"
  console.log(`\nRatios with their standard errors; at once: all at ${rate} requests a second together, ${spread}`)
  const failed = atOnce.reduce((sum, one) => sum + one.failed, 0)
  if (failed > 0) console.log(`${failed} failed there`)
  for (const name of names.slice(1)) compare(name, name === ours ? plain : ours)
  if (options.node !== "") {
    for (const name of moods.map(withCollector)) {
      compare(withOthers(name), others)
      compare(withOthers(name), name)
    }
  }
  const up = withCollector("up")
  if (moods.includes("up")) for (const mood of moods) if (mood !== "up") compare(withCollector(mood), up)
  console.log(`\nstart-up, spawn to first 200: ${median(startUps).toFixed(0)} ms (median of ${startUps.length})`)
}

try {
  await main()
} finally {
  endAll()
}
