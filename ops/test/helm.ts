/**
 * The chart as helm renders it, for several users: `node ops/test/helm.ts HELM FOLDER`. What is rendered is compiled
 * against Kubernetes' types, which come from its OpenAPI description: a field that there isn't, or of another type, is an
 * error. ops/test/helm.sh calls it.
 */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Deployment } from "kubernetes-types/apps/v1.d.ts"
import type { Ingress } from "kubernetes-types/networking/v1.d.ts"
import { parseAllDocuments } from "yaml"
import packageJson from "../../package.json" with { type: "json" }
import { routeTable } from "../../src/http/RouteTable.ts"
import { definitions } from "../../src/services/Settings.ts"

const [helm = "helm", folder = ""] = process.argv.slice(2)
const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")
const chart = `${root}/ops/helm/ai-ticket`

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
}

const run = (command: string, args: ReadonlyArray<string>) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 })
  if (error !== undefined) throw error
  return { status, output: stdout + stderr, stdout }
}

const values = (what: object): string => {
  const file = `${folder}/values.json`
  writeFileSync(file, JSON.stringify(what))
  return file
}

const template = (what: object) => run(helm, ["template", "demo", chart, "--kube-version", "1.30", "-f", values(what)])

/** What a cluster would be sent; helm reads YAML 1.1, as Kubernetes does. */
const render = (what: object): ReadonlyArray<Manifest> => {
  const { output, status, stdout } = template(what)
  assert.equal(status, 0, output)
  return parseAllDocuments(stdout, { version: "1.1" })
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null)
}

const deploymentOf = (manifests: ReadonlyArray<Manifest>): Deployment =>
  (manifests.find(({ kind }) => kind === "Deployment") as Deployment | undefined) ?? assert.fail("no deployment")

const podOf = (manifests: ReadonlyArray<Manifest>) => deploymentOf(manifests).spec?.template.spec ?? assert.fail()

const environmentOf = (manifests: ReadonlyArray<Manifest>) =>
  new Map(podOf(manifests).containers[0]?.env?.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]))

const types = new Map([
  ["apps/v1 Deployment", "apps/v1"],
  ["autoscaling/v2 HorizontalPodAutoscaler", "autoscaling/v2"],
  ["networking.k8s.io/v1 Ingress", "networking/v1"],
  ["networking.k8s.io/v1 NetworkPolicy", "networking/v1"],
  ["policy/v1 PodDisruptionBudget", "policy/v1"],
  ["v1 ConfigMap", "core/v1"],
  ["v1 Service", "core/v1"]
])

/** What the compiler has to say of manifests, as literals of their types. */
const complaints = (manifests: ReadonlyArray<Manifest>): string => {
  const lines = manifests.flatMap((manifest, index) => {
    const module = types.get(`${manifest.apiVersion} ${manifest.kind}`)
    if (module === undefined) return []
    const type = `import("kubernetes-types/${module}").${manifest.kind}`
    return [`export const manifest${index}: ${type} = ${JSON.stringify(manifest, undefined, 2)}`]
  })
  const place = `${folder}/types`
  mkdirSync(place, { recursive: true })
  writeFileSync(`${place}/manifests.ts`, lines.join("\n"))
  writeFileSync(
    `${place}/tsconfig.json`,
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        module: "preserve",
        target: "es2023",
        types: [],
        paths: { "kubernetes-types/*": [`${root}/node_modules/kubernetes-types/*`] }
      },
      files: ["manifests.ts"]
    })
  )
  return run(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, "--project", place, "--pretty", "false"])
    .output
}

const check = (what: string, holds: () => string): void => {
  process.stdout.write(`${what}: ${holds()}\n`)
}

const secret = { auth: { existingSecret: "tokens" } }
const everything = {
  ...secret,
  image: { repository: "registry.example.com/ai-ticket", digest: `sha256:${"0".repeat(64)}` },
  imagePullSecrets: [{ name: "pull" }],
  settings: { RATE_LIMIT_REQUESTS: 1_000_000, AI_TICKET_RECEIVE_TIMEOUT_SECONDS: 0.5, LOG_LEVEL: "DEBUG" },
  backends: { backends: [{ name: "big", url: "http://gpu1:5001", key: { env: "BIG_KEY" } }] },
  koboldcppKey: { existingSecret: "koboldcpp" },
  envFrom: [{ secretRef: { name: "keys" } }],
  shutdownGraceSeconds: 120,
  ingress: { enabled: true, className: "nginx", tlsSecret: "tls" },
  autoscaling: { enabled: true },
  serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
  podAnnotations: { note: "true" },
  podLabels: { team: "support" },
  nodeSelector: { "kubernetes.io/arch": "arm64" },
  tolerations: [{ key: "gpu", operator: "Exists" }],
  priorityClassName: "high"
}

const users: Readonly<Record<string, object>> = {
  "as it comes, with a secret": secret,
  "open, on its own": {
    auth: { open: true },
    networkPolicy: { enabled: false },
    podDisruptionBudget: { enabled: false }
  },
  everything
}

const main = (): void => {
  check("helm", () => run(helm, ["version", "--short"]).stdout.trim())

  check("lint", () => {
    for (const [user, what] of Object.entries(users)) {
      const { output, status } = run(helm, ["lint", "--strict", chart, "-f", values(what)])
      assert.equal(status, 0, `${user}: ${output}`)
    }
    return `${Object.keys(users).length} sets of values`
  })

  check("Kubernetes' types", () => {
    const all = Object.values(users).flatMap(render)
    assert.equal(complaints(all), "")
    const kinds = new Set(all.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`))
    assert.deepEqual([...kinds].sort(), [...types.keys(), "monitoring.coreos.com/v1 ServiceMonitor"].sort())
    // It does find what is wrong.
    const [broken] = structuredClone(render(secret)).filter(({ kind }) => kind === "Deployment")
    assert.match(complaints([{ ...broken, spec: { replica: 1 } } as unknown as Manifest]), /"replica"' does not exist/)
    return `${all.length} manifests of ${kinds.size} kinds; all but ServiceMonitor have a type there`
  })

  check("refused", () => {
    const told = (what: object) => {
      const { output, status } = template(what)
      assert.notEqual(status, 0)
      return output
    }
    assert.match(told({}), /auth\.existingSecret must name a Secret/)
    assert.match(told({ ...secret, replica: 2 }), /replica/)
    assert.match(told({ ...secret, settings: { PORT: "80" } }), /settings/)
    assert.match(told({ ...secret, settings: { AI_TICKET_AUTH_TOKEN: "t" } }), /settings/)
    assert.match(told({ ...secret, image: { repository: "a", digest: "latest" } }), /digest/)
    return "no secret, an unknown value, a token or a port among the settings, a digest that is none"
  })

  check("settings", () => {
    const known = new Set(Object.values(definitions).map(({ variable }) => variable))
    for (const what of Object.values(users))
      for (const name of environmentOf(render(what)).keys()) assert.ok(known.has(name), name)
    const environment = environmentOf(render(everything))
    assert.equal(environment.get("RATE_LIMIT_REQUESTS"), "1000000")
    assert.equal(environment.get("AI_TICKET_RECEIVE_TIMEOUT_SECONDS"), "0.5")
    assert.equal(environment.get("TRUST_PROXY_COUNT"), "1")
    assert.equal(environmentOf(render(secret)).get("TRUST_PROXY_COUNT"), "0")
    assert.equal(environment.has("KOBOLDCPP_API_URL"), false)
    assert.deepEqual(environment.get("AI_TICKET_KOBOLDCPP_API_KEY"), {
      secretKeyRef: { name: "koboldcpp", key: "key" }
    })
    return "all are the service's, and come as they were written"
  })

  check("routes", () => {
    const ingresses = render(everything).filter(({ kind }) => kind === "Ingress") as ReadonlyArray<Ingress>
    const paths = ingresses.flatMap(({ spec }) => spec?.rules?.flatMap(({ http }) => http?.paths ?? []) ?? [])
    const open = (route: string) => paths.some(({ path = "" }) => route === path || route.startsWith(`${path}/`))
    const shut = Object.keys(routeTable).filter((route) => !open(route))
    assert.deepEqual(shut.sort(), ["/metrics", "/ready"])
    const names = ingresses.map(({ metadata }) => metadata?.name)
    assert.equal(new Set(names).size, 2)
    return `the ingress has all but ${shut.join(" and ")}, and batches have one of their own`
  })

  check("ending", () => {
    for (const what of [secret, everything]) {
      const pod = podOf(render(what))
      const grace = Number(environmentOf(render(what)).get("AI_TICKET_SHUTDOWN_GRACE_SECONDS"))
      const pause = Number(/(\d+)000\)/.exec(pod.containers[0]?.lifecycle?.preStop?.exec?.command?.at(-1) ?? "")?.[1])
      assert.ok((pod.terminationGracePeriodSeconds ?? 0) >= grace + pause + 5)
    }
    return "a pod is given more than the pause, the grace period and five seconds"
  })

  check("the pod", () => {
    const pod = podOf(render(everything))
    const [container] = pod.containers
    assert.equal(pod.securityContext?.runAsNonRoot, true)
    assert.equal(pod.automountServiceAccountToken, false)
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    })
    assert.equal(container?.image, `registry.example.com/ai-ticket@sha256:${"0".repeat(64)}`)
    assert.equal(podOf(render(secret)).containers[0]?.image, `ai-ticket:${packageJson.version}`)
    for (const probe of [container?.livenessProbe, container?.readinessProbe, container?.startupProbe])
      assert.ok((probe?.httpGet?.path ?? "") in routeTable)
    assert.equal(pod.volumes?.find(({ name }) => name === "tokens")?.secret?.defaultMode, 0o440)
    return "no root, nothing to write to, no capabilities, this package's version, probes on routes that there are"
  })
}

try {
  main()
  process.stdout.write("all passed\n")
} catch (error) {
  process.stderr.write(`failed: ${error instanceof Error ? error.stack : error}\n`)
  process.exit(1)
}
