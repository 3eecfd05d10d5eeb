/**
 * The metrics of the built service, after some requests to the simulator: checked by promtool, scraped by a Prometheus that
 * works out the alerts and answers the dashboard.
 * `node ops/test/prometheus.ts FOLDER`; ops/test/prometheus.sh calls it.
 */
import assert from "node:assert/strict"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { queriesOf } from "./dashboardQueries.ts"
import { freePort } from "./freePort.ts"

const folder = process.argv[2] ?? assert.fail("usage: node ops/test/prometheus.ts FOLDER")
const inRepository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const program = inRepository("dist/ai-ticket.js")
const running = new Set<ChildProcess>()

/** Starts a program; its output is kept for when something goes wrong. */
const start = (command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(command, args, { cwd: folder, env: { PATH: process.env["PATH"] ?? "", ...env } })
  running.add(child)
  let output = ""
  const keep = (text: string) => {
    output += text
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", keep)
  return { output: () => output, ended: () => child.exitCode !== null }
}
type Running = ReturnType<typeof start>
interface Rule {
  readonly name: string
  readonly health: string
  readonly lastError?: string
}

/** Asks again until there is an answer, but not for ever. */
const until = async <A>(what: string, find: () => Promise<A | undefined> | A | undefined): Promise<A> => {
  const end = performance.now() + 30_000
  for (;;) {
    const found = await Promise.resolve(find()).catch(() => undefined)
    if (found !== undefined) return found
    assert.ok(performance.now() < end, `${what} took too long`)
    await pause(50)
  }
}

const urlOf = ({ ended, output }: Running) =>
  until("the start of a program", () => {
    assert.ok(!ended(), output())
    return /\bon (http:\/\/[^"\s]+)/.exec(output())?.[1]
  })

const post = (url: string, body: unknown) =>
  fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).then(
    async (response) => {
      await response.text()
      return response.status
    }
  )

const main = async () => {
  const simulator = start(process.execPath, [program, "simulate", "--port", "0"])
  const backend = await urlOf(simulator)
  const service = start(process.execPath, [program, "serve"], { PORT: "0", KOBOLDCPP_API_URL: backend })
  const url = await urlOf(service)

  const event = { content: { prompt: "p", max_tokens: 4 } }
  assert.equal(await post(`${url}/event`, event), 200)
  assert.equal(await post(`${url}/event`, { ...event, stream: true }), 200)
  assert.equal(await post(`${url}/event`, {}), 400)
  assert.equal(await post(`${url}/v1/chat/completions`, { messages: [{ role: "user", content: "p" }] }), 200)

  const text = await (await fetch(`${url}/metrics`)).text()
  const check = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" })
  assert.equal(`${check.stdout}${check.stderr}`, "", "promtool check metrics has something to say")
  assert.equal(check.status, 0)
  console.log(`promtool check metrics: nothing to say of ${text.split("\n").length} lines`)

  const config = join(folder, "prometheus.yml")
  const target = new URL(url).host
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [inRepository("ops/prometheus/alerts.yml")],
      scrape_configs: [{ job_name: "ai-ticket", static_configs: [{ targets: [target] }] }]
    })
  )
  const port = await freePort()
  const prometheus = start("prometheus", [
    ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`],
    ...[`--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"]
  ])

  const api = async <Data>(path: string): Promise<Data> => {
    assert.ok(!prometheus.ended(), prometheus.output())
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    return ((await answer.json()) as { data: Data }).data
  }
  const valuesOf = async (expression: string) => {
    const { result } = await api<{ result: ReadonlyArray<{ value: [number, string] }> }>(
      `query?query=${encodeURIComponent(expression)}`
    )
    return result.map(({ value }) => Number(value[1]))
  }
  /** The value of an expression that has one. */
  const ask = (expression: string) => until(`an answer to ${expression}`, async () => (await valuesOf(expression))[0])

  assert.equal(await ask(`up{job="ai-ticket"} == 1`), 1)
  assert.equal(await ask(`sum(ai_ticket_http_requests_total{endpoint="/event", status="200"})`), 2)
  assert.equal(await ask(`ai_ticket_http_request_errors_total{endpoint="/event", status="400"}`), 1)
  assert.equal(await ask(`sum(ai_ticket_backend_attempts_total{outcome="success"})`), 3)
  assert.equal(await ask(`ai_ticket_backend_breaker_state{state="closed"}`), 1)
  // Three answers came, and a quantile of the time to their first token can be told.
  assert.equal(await ask("sum(ai_ticket_time_to_first_token_seconds_count)"), 3)
  const median = await ask("histogram_quantile(0.5, sum by (le) (ai_ticket_time_to_first_token_seconds_bucket))")
  assert.ok(median > 0 && median < 60)
  console.log("prometheus: scraped, and what was asked of it is right")

  const rules = await until("a first look at the alerts", async () => {
    const { groups } = await api<{ groups: ReadonlyArray<{ rules: ReadonlyArray<Rule> }> }>("rules")
    const all = groups.flatMap(({ rules }) => rules)
    return all.length > 0 && all.every(({ health }) => health !== "unknown") ? all : undefined
  })
  assert.deepEqual(
    rules.filter(({ health }) => health !== "ok"),
    []
  )
  console.log(`prometheus: works out ${rules.length} alerts`)

  // One stream that breaks off: if more did, the breaker would say no.
  assert.equal(await post(`${new URL("/simulator/faults", backend)}`, { faults: ["cut:after=1"] }), 200)
  assert.equal(await post(`${url}/event`, { ...event, stream: true }), 200)
  assert.equal(await ask("sum(ai_ticket_http_broken_streams_total)"), 1)

  const queries = queriesOf(inRepository("ops/grafana/ai-ticket.json"), "10s")
  for (const { expr, title } of queries) {
    await until(`something to show for "${title}", ${expr}`, async () => {
      // A rate wants two scrapes with something between them.
      await Promise.all([post(`${url}/event`, event), post(`${url}/event`, {})])
      return (await valuesOf(expr)).some(Number.isFinite) || undefined
    })
  }
  console.log(`prometheus: has something to show for all ${queries.length} queries of the dashboard`)
}

try {
  await main()
} finally {
  for (const child of running) child.kill("SIGKILL")
}
