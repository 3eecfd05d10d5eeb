/** Gives the Helm chart the package's version, for both its own and the program's. */
import { readFileSync, writeFileSync } from "node:fs"
import packageJson from "../package.json" with { type: "json" }

const path = new URL("../ops/helm/ai-ticket/Chart.yaml", import.meta.url)
const chart = readFileSync(path, "utf8")
writeFileSync(path, chart.replace(/^(version|appVersion): .*$/gm, `$1: ${packageJson.version}`))
