/**
 * Writes `package.json` as it is published, and puts back the one that is worked with: `prepack` and `postpack` call it.
 *
 * What is published has no dependencies. The program is one bundle; the library shares its user's Effect, and nobody else
 * needs one. What builds and tests the repository, Node included, is nobody's business who installs it.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const published = fileURLToPath(new URL("../package.json", import.meta.url))
const kept = fileURLToPath(new URL("../package.json.kept", import.meta.url))

interface Manifest {
  readonly dependencies: { readonly effect: string }
  readonly [field: string]: unknown
}

/** The fields that only those need who work on it. */
const own: ReadonlySet<string> = new Set(["scripts", "dependencies", "devDependencies", "optionalDependencies"])

const publishable = (manifest: Manifest) => ({
  ...Object.fromEntries(Object.entries(manifest).filter(([field]) => !own.has(field))),
  peerDependencies: { effect: `^${manifest.dependencies.effect}` },
  peerDependenciesMeta: { effect: { optional: true } }
})

const [, , what] = process.argv
if (what === "write") {
  // One that was interrupted has left it.
  if (existsSync(kept)) renameSync(kept, published)
  const text = readFileSync(published, "utf8")
  writeFileSync(kept, text)
  writeFileSync(published, `${JSON.stringify(publishable(JSON.parse(text)), null, 2)}\n`)
} else if (what === "restore") renameSync(kept, published)
else {
  process.stderr.write("Usage: publishable.ts write|restore\n")
  process.exitCode = 2
}
