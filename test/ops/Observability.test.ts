import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { parse } from "yaml"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

interface Rule {
  readonly alert: string
  readonly annotations: Readonly<Record<string, string>>
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
}
interface Panel {
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly id: number
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat?: string }>
  readonly title: string
}
interface AlertTest {
  readonly alert_rule_test: ReadonlyArray<{ readonly alertname: string; readonly exp_alerts: ReadonlyArray<unknown> }>
}
interface Container {
  readonly image: string
  readonly networks: ReadonlyArray<string>
  readonly ports?: ReadonlyArray<string>
  readonly profiles: ReadonlyArray<string>
  readonly volumes: ReadonlyArray<{ readonly source: string; readonly target: string; readonly type: string }>
}

const alerts: ReadonlyArray<Rule> = parse(read("ops/prometheus/alerts.yml")).groups[0].rules
const alertTests: ReadonlyArray<AlertTest> = parse(read("ops/prometheus/alerts.test.yml")).tests
const dashboard: {
  readonly panels: ReadonlyArray<Panel>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string; readonly query: unknown }> }
} = JSON.parse(read("ops/grafana/ai-ticket.json"))
const scrape = parse(read("ops/prometheus/prometheus.yml")).scrape_configs
const compose = parse(read("compose.yaml"), { merge: true })
const observability: Readonly<Record<"collector" | "prometheus" | "grafana", Container>> = compose.services

const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const allQueries = [...queries, ...alerts.map(({ expr }) => expr)]

/** The series of every metric that the service has, with their labels by what its users read. */
const series = (() => {
  const kinds = [...read("src/services/RegistryRecorder.ts").matchAll(/\b(counter|gauge|slow)\(\s*"([a-z_]+)"/g)]
  const suffixes = { counter: [""], gauge: [""], slow: ["_bucket", "_sum", "_count"] } as const
  const labels = new Map<string, ReadonlyArray<string>>()
  for (const [, names = "", told = ""] of read("docs/operations.md").matchAll(
    /^\| (`[a-z_`, ]+`) +\| (?:counter|gauge|histogram) +\| (.*)\|$/gm
  )) {
    const own = told.replace(/\([^)]*\)/g, "").split(",")
    for (const [, name = ""] of names.matchAll(/`([a-z_]+)`/g))
      labels.set(
        name,
        own.map((label) => label.trim())
      )
  }
  return new Map(
    kinds.flatMap(([, kind = "", name = ""]) =>
      suffixes[kind as keyof typeof suffixes].map((suffix) => [`ai_ticket_${name}${suffix}`, labels.get(name) ?? []])
    )
  )
})()

const metricIn = /\bai_ticket_[a-z_]+\b/g

describe("dashboard and alerts", () => {
  it("speak of metrics that there are", () => {
    assert.isAbove(series.size, 20)
    const named = new Set(allQueries.flatMap((query) => query.match(metricIn) ?? []))
    assert.isAbove(named.size, 15)
    for (const name of named) assert.isTrue(series.has(name), name)
    for (const { query } of dashboard.templating.list) {
      for (const name of JSON.stringify(query).match(metricIn) ?? []) assert.isTrue(series.has(name), name)
    }
  })

  it("select by labels that those metrics have", () => {
    for (const query of allQueries) {
      for (const [, name = "", selector = ""] of query.matchAll(/\b(ai_ticket_[a-z_]+)\{((?:"[^"]*"|[^}"])*)\}/g)) {
        for (const [, label = ""] of selector.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)) {
          assert.include(["job", "instance", ...(series.get(name) ?? [])], label, `${name} in ${query}`)
        }
      }
    }
  })

  it("group by labels that one of their metrics has, and name the lines by what they are grouped by", () => {
    const grouped = (query: string) =>
      [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = ""]) =>
        labels.split(",").map((word) => word.trim())
      )
    for (const query of allQueries) {
      const known = (query.match(metricIn) ?? []).flatMap((name) => series.get(name) ?? [])
      for (const label of grouped(query)) assert.include(["job", "instance", "le", ...known], label, query)
    }
    for (const { expr, legendFormat = "" } of dashboard.panels.flatMap(({ targets = [] }) => targets)) {
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) assert.include(grouped(expr), label, expr)
    }
  })

  it("look at the job that is scraped, where the service listens", () => {
    const [service, collector] = scrape
    for (const query of allQueries) {
      for (const [, job] of query.matchAll(/job="([^"$]+)"/g)) assert.strictEqual(job, service.job_name)
    }
    const [{ names, port }] = service.dns_sd_configs
    assert.deepStrictEqual(names, ["ai-ticket"])
    assert.strictEqual(String(port), compose.services["ai-ticket"].environment.PORT)
    assert.deepStrictEqual(collector.static_configs, [{ targets: ["collector:8889"] }])
    // Both have it, and an alert is to fire once.
    const [{ action, regex }] = collector.metric_relabel_configs
    assert.strictEqual(action, "drop")
    for (const name of series.keys()) assert.match(name, new RegExp(`^(${regex})$`))
  })

  it("has panels of their own places, with a title and a query that knows the instance", () => {
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const cells = new Set<string>()
    for (const { gridPos, targets, title } of dashboard.panels) {
      assert.isNotEmpty(title)
      for (const { expr } of targets ?? []) assert.include(expr, 'job="$job",instance=~"$instance"')
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        assert.isBelow(x, 24)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isFalse(cells.has(`${x} ${y}`), title)
          cells.add(`${x} ${y}`)
        }
      }
    }
    const shown = queries.join("\n")
    for (const name of [
      "queue_depth",
      "backend_attempts_total",
      "tokens_total",
      "time_to_first_token_seconds_bucket"
    ]) {
      assert.include(shown, `ai_ticket_${name}`)
    }
  })

  it("shows whatever an alert reads", () => {
    const read = new Set(alerts.flatMap(({ expr }) => expr.match(/ai_ticket_\w+/g) ?? []))
    assert.isAbove(read.size, 5)
    for (const name of read) assert.include(queries.join("\n"), name)
  })
})

describe("every alert", () => {
  const runbook = read("docs/runbook.md")
  const sections = new Map(
    runbook
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section])
  )

  it("has its section in the runbook, and no section is without its alert", () => {
    assert.deepStrictEqual(
      [...sections.keys()],
      alerts.map(({ alert }) => alert)
    )
    for (const { alert, annotations, labels } of alerts) {
      assert.strictEqual(annotations["runbook"], `docs/runbook.md#${alert.toLowerCase()}`)
      assert.include(["critical", "warning"], labels["severity"])
      assert.isNotEmpty(annotations["summary"])
      assert.isNotEmpty(annotations["description"])
    }
  })

  it("comes with three commands", () => {
    for (const [alert, section] of sections) {
      const commands = /```sh\n([^`]+)\n```/.exec(section)?.[1]?.split("\n") ?? []
      assert.lengthOf(commands, 3, alert)
    }
  })

  it("is tested: when it fires, and when it doesn't", () => {
    const checks = alertTests.flatMap(({ alert_rule_test }) => alert_rule_test)
    for (const { alert } of alerts) {
      const own = checks.filter(({ alertname }) => alertname === alert)
      assert.isTrue(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} fires`
      )
      assert.isTrue(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${alert} doesn't`
      )
    }
  })
})

describe("the collector's configuration", () => {
  const collector = parse(read("ops/otel/collector.yaml"))

  it("names what it defines, and defines nothing in vain", () => {
    const pipelines: ReadonlyArray<Record<string, ReadonlyArray<string>>> = Object.values(collector.service.pipelines)
    assert.sameMembers(Object.keys(collector.service.pipelines), ["traces", "metrics", "logs"])
    for (const kind of ["receivers", "processors", "exporters"]) {
      const used = new Set(pipelines.flatMap((pipeline) => pipeline[kind] ?? []))
      assert.sameMembers([...used], Object.keys(collector[kind]))
    }
    assert.sameMembers(collector.service.extensions, Object.keys(collector.extensions))
    // Whatever else waits, memory is looked after first.
    for (const { processors } of pipelines) assert.strictEqual(processors?.[0], "memory_limiter")
  })

  it("says no before its memory is full", () => {
    const { limit_percentage: limit, spike_limit_percentage: spike } = collector.processors.memory_limiter
    assert.isTrue(Number.isInteger(limit) && Number.isInteger(spike), `${limit}, ${spike}`)
    assert.isTrue(0 < spike && spike < limit && limit < 100, `${limit}, ${spike}`)
  })

  it("offers its metrics where they are scraped", () => {
    assert.match(collector.exporters.prometheus.endpoint, /:8889$/)
  })
})

describe("the profile for observability", () => {
  it("is off unless it is asked for, pinned, and in the inner network", () => {
    for (const { image, networks, profiles } of Object.values(
      (({ collector, grafana, prometheus }) => ({ collector, grafana, prometheus }))(observability)
    )) {
      assert.deepStrictEqual(profiles, ["observability"])
      assert.match(image, /^\$\{\w+_IMAGE:-[\w./-]+:v?\d+\.\d+\.\d+\}$/)
      assert.include(networks, "private")
    }
  })

  it("shows Grafana to this machine alone, and nothing else to anybody", () => {
    assert.deepStrictEqual(observability.grafana.ports, [`127.0.0.1:\${GRAFANA_PORT:-3000}:3000`])
    assert.isUndefined(observability.prometheus.ports)
    assert.isUndefined(observability.collector.ports)
  })

  it("finds its files, where they are looked for", () => {
    const places = Object.fromEntries(
      Object.values(observability).flatMap(({ volumes = [] }) => volumes.map(({ source, target }) => [target, source]))
    )
    for (const source of Object.values(places)) {
      if (source.startsWith("./ops/") && !source.startsWith("./ops/certs/")) {
        assert.isTrue(existsSync(new URL(`../../${source}`, import.meta.url)), source)
      }
    }
    const [provider] = parse(read("ops/grafana/provisioning/dashboards/ai-ticket.yaml")).providers
    assert.strictEqual(places[`${provider.options.path}/ai-ticket.json`], "./ops/grafana/ai-ticket.json")
    const [source] = parse(read("ops/grafana/provisioning/datasources/prometheus.yaml")).datasources
    assert.strictEqual(source.url, "http://prometheus:9090")
    const [rules] = parse(read("ops/prometheus/prometheus.yml")).rule_files
    assert.strictEqual(places[`/etc/prometheus/${rules}`], `./ops/prometheus/${rules}`)
  })
})
