/**
 * The service beside a bare node:http proxy that makes the same forward: same machine, same backend, in turns.
 *
 *   npm run bench [-- --rounds 3 --seconds 8 --connections 32 --backend close|keep --workers 1
 *                     --collector up|slow|failing|down,... --sampling 0.1 --node="--maglev ..."]
 *
 * The service runs as it is deployed, with auth, rate limit, metrics and logs on. With collectors, services that export
 * traces, metrics and logs to one of each kind run in the same turns; with options for Node, one that has them too. Nothing here passes or fails: it prints what it
 * measured.
 */

import { availableParallelism, cpus } from "node:os"
import { parseArgs } from "node:util"
import autocannon from "autocannon"
import { cpuSeconds, endAll, firstMatch, residentMegabytes, serviceCommand, start, token } from "./processes.ts"

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "8" },
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
const connections = Number(options.connections)

const body = JSON.stringify({ content: { prompt: "Why does the printer on the second floor blink?", max_tokens: 64 } })
const load = async (url: string, payload: string, pid: number | undefined, duration: number) => {
  let memory = 0
  const before = cpuSeconds(pid)
  const watch = setInterval(() => {
    memory = Math.max(memory, residentMegabytes(pid))
  }, 200)
  const result = await autocannon({
    url,
    connections,
    duration,
    method: "POST",
    body: payload,
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` }
  })
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

const serve = async (name: string, env: Record<string, string>, nodeOptions = "") => {
  const process = start(serviceCommand(nodeOptions), env)
  return { name, process, url: `${await firstMatch(process, /Listening on (http:\/\/[^"\s]+)/)}/event` }
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

const main = async () => {
  const backend = await firstMatch(start(["bench/backend.ts", options.backend]), /^(\d+)$/)
  const startUps: Array<number> = []
  for (let run = 0; run < 7; run++) startUps.push(await startUp(backend))

  const proxy = start(["bench/bareProxy.ts", backend])
  const proxyUrl = `http://127.0.0.1:${await firstMatch(proxy, /^(\d+)$/)}/`
  const contenders = [
    { name: plain, process: proxy, url: proxyUrl },
    await serve("ai-ticket", serviceSettings(backend))
  ]
  if (options.node !== "") {
    contenders.push(await serve("other Node options", serviceSettings(backend), options.node))
  }
  for (const mood of options.collector.split(",").filter((word) => word !== "")) {
    contenders.push(await serve(`collector ${mood}`, { ...serviceSettings(backend), ...(await exportTo(mood)) }))
  }

  // All warm before any counts.
  for (const { process, url } of contenders) await load(url, body, process.pid, 3)

  const measured: Record<string, Array<Awaited<ReturnType<typeof load>>>> = {}
  for (let round = 0; round < rounds; round++) {
    for (const { name, process, url } of contenders) {
      measured[name] = [...(measured[name] ?? []), await load(url, body, process.pid, seconds)]
    }
  }

  const closing = options.backend === "keep" ? "keeps its connections" : "closes after each answer, as KoboldCpp does"
  console.log(`The backend ${closing}`)
  console.log(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`)
  console.log(`${connections} connections, ${rounds} rounds of ${seconds} s in turns; medians of the rounds`)
  console.log(`Workers of the service: ${options.workers}\n`)
  if (options.collector !== "")
    console.log(`Collectors get traces (a share of ${options.sampling}), metrics and logs\n`)
  console.log("                       req/s   CPU us    p50 ms   p99 ms   memory MB   failed")
  for (const [name, runs] of Object.entries(measured)) {
    const column = (pick: (run: (typeof runs)[number]) => number, digits: number, width: number) =>
      median(runs.map(pick)).toFixed(digits).padStart(width)
    console.log(
      name.padEnd(21) +
        column((run) => run.requestsPerSecond, 0, 7) +
        column((run) => run.microseconds, 0, 9) +
        column((run) => run.p50, 1, 10) +
        column((run) => run.p99, 1, 9) +
        column((run) => run.memory, 0, 12) +
        column((run) => run.failed, 0, 9)
    )
  }
  const throughput = (name: string) => median((measured[name] ?? []).map((run) => run.requestsPerSecond))
  console.log("")
  for (const { name } of contenders.slice(1)) {
    const beside = name === "ai-ticket" ? plain : "ai-ticket"
    console.log(`throughput of ${name} beside ${beside}: ${(throughput(name) / throughput(beside)).toFixed(2)}`)
  }
  console.log(`start-up, spawn to first 200: ${median(startUps).toFixed(0)} ms (median of ${startUps.length})`)
}

try {
  await main()
} finally {
  endAll()
}
