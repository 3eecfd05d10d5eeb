/** Writes docs/configuration.md from the settings' definitions: `npm run docs`. A test holds the two together. */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { flagNames } from "../src/cli/SettingFlags.ts"
import { definitions, type SettingName } from "../src/services/Settings.ts"

const page = fileURLToPath(new URL("../docs/configuration.md", import.meta.url))

const head = `<!-- Made by \`npm run docs\` from src/services/Settings.ts: what is changed here is lost. -->

# Settings

Settings are environment variables. A flag of \`ai-ticket serve\` wins over the environment, the environment over the
\`.env\` file in the working directory (\`--settings-file\` names another one). An empty value counts as none. A wrong value
stops the start with exit code 2 and one sentence that names the variable, the value (unless it is a secret) and what is
expected. \`ai-ticket config\` tells the value of each and where it came from.

All are read once, when the service starts. What is read again while it runs: the file of tokens and the
[file of backends](../README.md#a-file-of-backends), and with several workers the \`.env\` file, at
[SIGHUP](operations.md#several-processes).
`

const tail = `
## Read by others

- \`AI_TICKET_TOKEN\`: the token that the commands \`prompt\`, \`chat\`, \`batch\` and \`top\` show.
- \`OTEL_...\`: [OpenTelemetry](operations.md#opentelemetry).
- \`NO_COLOR\`: no colours, whatever is set.
- \`TLS_PORT\`, \`AI_TICKET_IMAGE\`, \`NODE_IMAGE\`, \`RUNTIME_IMAGE\`, \`NGINX_IMAGE\`, \`COLLECTOR_IMAGE\`, \`PROMETHEUS_IMAGE\`,
  \`GRAFANA_IMAGE\`, \`GRAFANA_PORT\`: read by \`compose.yaml\`.
`

const names = Object.keys(definitions) as ReadonlyArray<SettingName>
const flags: Readonly<Partial<Record<SettingName, string>>> = flagNames

const entry = (name: SettingName): string => {
  const { description, expected, fallback, olderNames, secret, variable } = definitions[name]
  const flag = flags[name]
  return [
    `\n## ${variable}\n`,
    `${description}.\n`,
    `- Default: ${fallback === undefined ? "unset" : `\`${fallback}\``}`,
    `- What it may be: ${expected}`,
    ...(flag === undefined ? [] : [`- Flag: \`--${flag}\``]),
    ...(olderNames.length === 0 ? [] : [`- Older name: ${olderNames.map((older) => `\`${older}\``).join(", ")}`]),
    ...(secret ? ["- A secret: never shown, and without a flag, for flags show in the process list"] : [])
  ].join("\n")
}

/** The page as it should be. */
export const configurationPage = (): string => `${head}${names.map(entry).join("\n")}\n${tail}`

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, configurationPage())
