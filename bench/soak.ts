/**
 * Many streams at once through one process of the service, and beside them some straight to the same backend.
 *
 *   npm run soak [-- --streams 200 --rate 50 --seconds 60 --tokens 250 --leaving 0.05 --reference 20]
 *
 * Backend, service and the clients of both are processes of their own, on loopback. Nothing here passes or fails: it
 * prints what it measured.
 */
import { availableParallelism, cpus } from "node:os"
import { parseArgs } from "node:util"
import {
  busySeconds,
  cpuSeconds,
  endAll,
  firstMatch,
  linesOf,
  residentMegabytes,
  serviceCommand,
  slope,
  start,
  token
} from "./processes.ts"

const { values: options } = parseArgs({
  options: {
    streams: { type: "string", default: "200" },
    /** Tokens a second, of each stream. */
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "60" },
    /** Of each stream. */
    tokens: { type: "string", default: "250" },
    /** The share of the streams whose clients leave midway. */
    leaving: { type: "string", default: "0.05" },
    /** Streams straight to the backend. */
    reference: { type: "string", default: "20" },
    /** Options for the service's Node, separated by spaces: `--node=--cpu-prof`, say. */
    node: { type: "string", default: "" }
  }
})
const seconds = Number(options.seconds)
const streamSeconds = Number(options.tokens) / Number(options.rate)

interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}
/** What the clients of one side counted. */
interface Counted extends Readonly<Record<"begun" | "complete" | "left" | "tokens" | "gaps" | "repeats", number>> {
  readonly amiss: ReadonlyArray<readonly [string, number]>
  readonly firstToken: Quantiles
  readonly step: Quantiles
}

const statsOf = async (backend: string) =>
  (await (await fetch(`${backend}/stats`)).json()) as { tokens: number; aborts: number }

const clientsOf = (url: string, streams: string) => {
  const child = start([
    "bench/streamClients.ts",
    ...["--url", url, "--token", token, "--streams", streams, "--tokens", options.tokens],
    ...["--warm", String(2 * streamSeconds), "--spread", String(streamSeconds), "--seconds", options.seconds],
    ...["--leaving", options.leaving]
  ])
  const { next } = linesOf(child)
  return {
    pid: child.pid,
    begun: next((line) => line === "begun"),
    over: () => next((line) => line === "over"),
    counted: async () => JSON.parse(await next((line) => line.startsWith("{"))) as Counted
  }
}

const measure = async () => {
  const backend = start(["bench/streamBackend.ts", "--rate", options.rate])
  const backendUrl = `http://127.0.0.1:${await firstMatch(backend, /^(\d+)$/)}`
  const service = start(serviceCommand(options.node), {
    KOBOLDCPP_API_URL: `${backendUrl}/api`,
    PORT: "0",
    AI_TICKET_AUTH_TOKEN: token,
    RATE_LIMIT_REQUESTS: "1000000",
    AI_TICKET_SLOTS: options.streams,
    AI_TICKET_QUEUE_LIMIT: "1000"
  })
  const serviceUrl = await firstMatch(service, /Listening on (http:\/\/[^"\s]+)/)
  const idle = residentMegabytes(service.pid)

  const direct = clientsOf(backendUrl, options.reference)
  const through = clientsOf(serviceUrl, options.streams)
  const pids = { service: service.pid, backend: backend.pid, clients: through.pid, reference: direct.pid }
  const cpuNow = () => Object.values(pids).map(cpuSeconds)
  await Promise.all([direct.begun, through.begun])

  const [begunAt, cpuBegun, busyBegun, statsBegun] = [
    performance.now(),
    cpuNow(),
    busySeconds(),
    await statsOf(backendUrl)
  ]
  const memory: Array<readonly [number, number]> = []
  const watch = setInterval(() => {
    memory.push([(performance.now() - begunAt) / 60_000, residentMegabytes(service.pid)])
  }, 250)
  await Promise.all([direct.over(), through.over()])
  clearInterval(watch)
  const took = (performance.now() - begunAt) / 1000
  const used = cpuNow().map((cpu, at) => (cpu - (cpuBegun[at] ?? 0)) / took)
  const [busy, statsOver] = [(busySeconds() - busyBegun) / took, await statsOf(backendUrl)]

  const counted = { direct: await direct.counted(), through: await through.counted() }
  const stoppedAt = performance.now()
  service.kill("SIGTERM")
  const code = await new Promise((resolve) => service.on("exit", resolve))
  const stopping = performance.now() - stoppedAt
  // Only now has every client that left been told to the backend.
  const { aborts } = await statsOf(backendUrl)
  return {
    ...{ aborts, code, counted, idle, memory, stopping, used },
    others: busy - used.reduce((sum, cpu) => sum + cpu, 0),
    tokensIn: (statsOver.tokens - statsBegun.tokens) / took
  }
}

const print = ({
  aborts,
  code,
  counted,
  idle,
  memory,
  others,
  stopping,
  tokensIn,
  used
}: Awaited<ReturnType<typeof measure>>) => {
  const { direct, through } = counted
  const row = (name: string, cell: (side: Counted) => string) =>
    console.log(name.padEnd(32) + cell(direct).padStart(10) + cell(through).padStart(12))
  const millis = (name: string, of: "firstToken" | "step", at: keyof Quantiles) =>
    row(`${name} ${at} ms`, (side) => side[of][at].toFixed(1))
  const percent = (share: number | undefined) => `${((share ?? 0) * 100).toFixed(0)}%`
  const [service, ...rest] = used
  const sizes = memory.map(([, megabytes]) => megabytes)

  console.log(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`)
  console.log(`${options.streams} streams of ${options.tokens} tokens at ${options.rate} a second through the service,`)
  console.log(
    `${options.reference} straight to the backend beside them, for ${seconds} s; ${options.leaving} of the clients leave midway\n`
  )
  console.log(`${"".padEnd(32)}${"direct".padStart(10)}${"ai-ticket".padStart(12)}`)
  row("tokens/s to the clients", (side) => (side.tokens / seconds).toFixed(0))
  row("streams begun", (side) => String(side.begun))
  row("read to their end, warm-up too", (side) => String(side.complete))
  row("left by their clients", (side) => String(side.left))
  row("tokens missing", (side) => String(side.gaps))
  row("tokens twice or out of order", (side) => String(side.repeats))
  row("failed or broken off", (side) => String(side.amiss.reduce((sum, [, times]) => sum + times, 0)))
  for (const at of ["p50", "p99", "max"] as const) millis("first token", "firstToken", at)
  for (const at of ["p50", "p99", "max"] as const) millis("between tokens", "step", at)

  const added = (at: keyof Quantiles) => (through.firstToken[at] - direct.firstToken[at]).toFixed(1)
  const perToken = ((service ?? 0) * 1_000_000 * seconds) / through.tokens
  console.log(`\nadded to the first token: p50 ${added("p50")} ms, p99 ${added("p99")} ms`)
  console.log(`tokens/s from the backend to both: ${tokensIn.toFixed(0)}; aborts that it heard: ${aborts}`)
  console.log(`CPU of the service: ${percent(service)} of a core, ${perToken.toFixed(0)} us for each token`)
  console.log(
    `CPU of backend, clients and reference: ${rest.map(percent).join(", ")}; of everybody else: ${percent(others)}`
  )
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  console.log(
    `memory of the service: ${idle.toFixed(0)} MB at its start, then ${least.toFixed(0)} to ${most.toFixed(0)} MB, ${slope(memory).toFixed(1)} MB a minute`
  )
  console.log(`stopped with ${code} after ${stopping.toFixed(0)} ms`)
  for (const [why, times] of [...direct.amiss, ...through.amiss]) console.log(`  ${times} times: ${why}`)
}

try {
  print(await measure())
} finally {
  endAll()
}
