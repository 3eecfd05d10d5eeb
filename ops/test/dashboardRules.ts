/**
 * Writes a dashboard's queries as recording rules, which promtool can check: `node ops/test/dashboardRules.ts FILE`.
 * What Grafana puts in place of its variables is put in here.
 */
import { readFileSync } from "node:fs"

const [file = ""] = process.argv.slice(2)
const { panels }: { readonly panels: ReadonlyArray<{ readonly targets?: ReadonlyArray<{ readonly expr: string }> }> } =
  JSON.parse(readFileSync(file, "utf8"))
const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const rules = queries.map((expr, at) => ({
  record: `dashboard:query:${at}`,
  expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".+").replaceAll("$job", "ai-ticket")
}))
// JSON is YAML.
process.stdout.write(`${JSON.stringify({ groups: [{ name: "dashboard", rules }] })}\n`)
