/** Writes a dashboard's queries as recording rules, which promtool can check: `node ops/test/dashboardRules.ts FILE`. */
import { queriesOf } from "./dashboardQueries.ts"

const [file = ""] = process.argv.slice(2)
const rules = queriesOf(file, "5m").map(({ expr }, at) => ({ record: `dashboard:query:${at}`, expr }))
// JSON is YAML.
process.stdout.write(`${JSON.stringify({ groups: [{ name: "dashboard", rules }] })}\n`)
