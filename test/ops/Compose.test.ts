import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { DCLinter } from "dclint"
import { onTestFinished } from "vitest"
import { parse } from "yaml"
import { definitions } from "../../src/services/Settings.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

interface Service {
  readonly cap_drop: ReadonlyArray<string>
  readonly command?: ReadonlyArray<string>
  readonly deploy: { readonly resources: { readonly limits: Readonly<Record<string, unknown>> } }
  readonly entrypoint?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly networks: ReadonlyArray<string> | Readonly<Record<string, { readonly aliases: ReadonlyArray<string> }>>
  readonly ports?: ReadonlyArray<string>
  readonly profiles?: ReadonlyArray<string>
  readonly read_only: boolean
  readonly secrets?: ReadonlyArray<string>
  readonly security_opt: ReadonlyArray<string>
  readonly stop_grace_period?: string
  readonly volumes?: ReadonlyArray<{ readonly source: string; readonly target: string; readonly read_only: boolean }>
}

interface Compose {
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly services: Readonly<Record<"ai-ticket" | "proxy" | "simulator", Service>>
}

const compose: Compose = parse(read("compose.yaml"), { merge: true })
const { "ai-ticket": service, proxy, simulator } = compose.services
const upstream = read("ops/nginx/upstream.conf")
const nginx = read("ops/nginx/nginx.conf")

/** Where dclint's own types can't be followed. */
interface Told {
  readonly messages: ReadonlyArray<{ readonly line: number; readonly message: string; readonly rule: string }>
}

/** What is said of a file by the Compose specification's schema, and by rules that aren't of taste. */
const lint = (path: string): ReadonlyArray<string> => {
  const offByChoice = [
    "service-keys-order",
    "top-level-properties-order",
    "services-alphabetical-order",
    "service-dependencies-alphabetical-order",
    "service-ports-alphabetical-order",
    // The proxy listens for everybody.
    "no-unbound-port-interfaces",
    // Doesn't see the quotes in a list on one line.
    "require-quotes-in-ports"
  ]
  const rules = Object.fromEntries(offByChoice.map((name) => [name, 0 as const]))
  const told: ReadonlyArray<Told> = new DCLinter({ rules, quiet: true, debug: false, exclude: [] }).lintFiles(
    [path],
    false
  )
  return told.flatMap(({ messages }) => messages.map(({ line, message, rule }) => `${line}: ${rule}: ${message}`))
}

describe("compose.yaml", () => {
  it("is of the Compose specification's schema", () => {
    assert.deepStrictEqual(lint(fileURLToPath(new URL("../../compose.yaml", import.meta.url))), [])
  })

  it("is held to that schema by a linter that finds what is wrong", () => {
    const folder = mkdtempSync(`${tmpdir()}/compose-`)
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(`${folder}/compose.yaml`, read("compose.yaml").replace("read_only: true", "read_onli: true"))
    assert.match(lint(`${folder}/compose.yaml`).join("\n"), /invalid-schema/)
  })

  it("lets clients in by the proxy alone", () => {
    assert.deepStrictEqual(proxy.ports, [`\${TLS_PORT:-8443}:${/listen (\d+) ssl;/.exec(nginx)?.[1]}`])
    assert.isUndefined(service.ports)
    assert.isUndefined(simulator.ports)
    assert.deepStrictEqual(proxy.networks, ["edge", "private"])
    assert.deepStrictEqual(service.networks, ["private", "models"])
    assert.deepStrictEqual(Object.keys(simulator.networks), ["models"])
    assert.deepStrictEqual(compose.networks["private"], { internal: true })
  })

  it("takes from every container what it doesn't need", () => {
    for (const each of Object.values(compose.services)) {
      assert.isTrue(each.read_only)
      assert.deepStrictEqual(each.cap_drop, ["ALL"])
      assert.deepStrictEqual(each.security_opt, ["no-new-privileges:true"])
      assert.hasAllKeys(each.deploy.resources.limits, ["cpus", "memory", "pids"])
    }
  })

  it("gives the service its token as a file, and trusts one proxy", () => {
    const [secret = ""] = service.secrets ?? []
    assert.strictEqual(service.environment?.["AI_TICKET_AUTH_TOKEN_FILE"], `/run/secrets/${secret}`)
    assert.strictEqual(service.environment?.["TRUST_PROXY_COUNT"], "1")
    const file = compose.secrets[secret]?.file ?? ""
    assert.match(read(".gitignore"), /^\/ops\/secrets\/\*$/m)
    const example = read(`${file}.example`)
    assert.isTrue(example.split("\n").every((line) => line === "" || line.startsWith("#")))
  })

  it("sets only what the service knows", () => {
    const known = Object.values(definitions).map(({ variable }) => variable)
    assert.includeMembers(known, Object.keys(service.environment ?? {}))
  })

  it("leaves more time to end than the grace period", () => {
    const grace = Number(definitions.shutdownGraceSeconds.fallback)
    assert.isAtLeast(Number.parseInt(service.stop_grace_period ?? "", 10), grace + 5)
    assert.isAbove(
      Number.parseInt(proxy.stop_grace_period ?? "", 10),
      Number.parseInt(service.stop_grace_period ?? "", 10) - 1
    )
  })

  it("has nginx find its files and the service", () => {
    const targets = proxy.volumes?.map(({ target }) => target) ?? []
    const folder = "/etc/ai-ticket"
    assert.includeMembers([...(proxy.entrypoint ?? [])], [`${folder}/nginx.conf`])
    const named = [...nginx.matchAll(/(?:include|ssl_certificate|ssl_certificate_key) ([^;]+);/g)].map(
      ([, path]) => path
    )
    assert.sameMembers(targets, [`${folder}/nginx.conf`, ...named.map((path) => `${folder}/${path}`)])
    for (const { read_only, source } of proxy.volumes ?? []) {
      assert.isTrue(read_only)
      assert.isTrue(
        source.startsWith("./ops/certs/") || existsSync(new URL(`../../${source}`, import.meta.url)),
        source
      )
    }
    assert.match(upstream, new RegExp(`^ *server ai-ticket:${service.environment?.["PORT"]} resolve `, "m"))
  })

  it("puts the simulator where the service looks for a backend", () => {
    assert.deepStrictEqual(simulator.profiles, ["demo"])
    const networks = simulator.networks as Readonly<Record<string, { readonly aliases: ReadonlyArray<string> }>>
    const [alias] = networks["models"]?.aliases ?? []
    assert.strictEqual(service.environment?.["KOBOLDCPP_API_URL"], `\${KOBOLDCPP_API_URL:-http://${alias}:5001/api}`)
  })
})
