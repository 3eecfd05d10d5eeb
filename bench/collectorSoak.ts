/**
 * The memory of the service while its collector is no use: requests at a modest rate, every one traced, and a collector
 * that is slow for the first half and fails for the second.
 *
 *   npm run soak:collector [-- --seconds 600 --rate 50 --every 10 --moods slow,failing]
 *
 * Nothing here passes or fails: it prints what it measured.
 */
import { availableParallelism, cpus } from "node:os"
import { parseArgs } from "node:util"
import autocannon from "autocannon"
import { cpuSeconds, endAll, firstMatch, residentMegabytes, serviceCommand, slope, start, token } from "./processes.ts"

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    /** Requests a second. */
    rate: { type: "string", default: "50" },
    /** Seconds between two looks at the memory. */
    every: { type: "string", default: "10" },
    /** Of the collector, each for the same time. */
    moods: { type: "string", default: "slow,failing" }
  }
})
const moods = options.moods.split(",")
const seconds = Number(options.seconds) / moods.length

const measure = async () => {
  const backend = await firstMatch(start(["bench/backend.ts"]), /^(\d+)$/)
  const collector = start(["bench/collector.ts", moods[0] ?? "slow"])
  const service = start(serviceCommand(), {
    KOBOLDCPP_API_URL: `http://127.0.0.1:${backend}/api`,
    PORT: "0",
    AI_TICKET_AUTH_TOKEN: token,
    RATE_LIMIT_REQUESTS: "1000000",
    AI_TICKET_SLOTS: "64",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await firstMatch(collector, /^(\d+)$/)}`,
    OTEL_METRIC_EXPORT_INTERVAL: "5000"
  })
  const url = await firstMatch(service, /Listening on (http:\/\/[^"\s]+)/)
  const idle = residentMegabytes(service.pid)
  for (const mood of moods) {
    collector.stdin?.write(`${mood}\n`)
    const memory: Array<readonly [number, number]> = []
    const begun = performance.now()
    const [cpu, from] = [cpuSeconds(service.pid), idle]
    const watch = setInterval(() => {
      memory.push([(performance.now() - begun) / 60_000, residentMegabytes(service.pid)])
    }, Number(options.every) * 1000)
    const { latency, non2xx, errors, requests } = await autocannon({
      ...{ url: `${url}/event`, method: "POST", connections: 8, overallRate: Number(options.rate), duration: seconds },
      body: JSON.stringify({ content: { prompt: "Why does the printer blink?", max_tokens: 64 } }),
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` }
    })
    clearInterval(watch)
    const sizes = memory.map(([, megabytes]) => megabytes)
    const later = memory.filter(([minute]) => minute >= 1)
    console.log(
      `${mood}: ${requests.average.toFixed(0)} req/s, p50 ${latency.p50} ms, p99 ${latency.p99} ms, ${non2xx + errors} failed, ${(((cpuSeconds(service.pid) - cpu) / seconds) * 100).toFixed(0)}% of a core`
    )
    console.log(
      `  ${from.toFixed(0)} MB at the start of the service, then ${Math.min(...sizes).toFixed(0)} to ${Math.max(...sizes).toFixed(0)} MB; ${slope(later).toFixed(2)} MB a minute after the first`
    )
    console.log(`  ${sizes.map((size) => size.toFixed(0)).join(" ")}`)
  }
  const stopping = performance.now()
  service.kill("SIGTERM")
  const code = await new Promise((resolve) => service.on("exit", resolve))
  console.log(`stopped with ${code} after ${(performance.now() - stopping).toFixed(0)} ms`)
}

try {
  console.log(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`)
  console.log(`${options.rate} requests a second for ${options.seconds} s\n`)
  await measure()
} finally {
  endAll()
}
