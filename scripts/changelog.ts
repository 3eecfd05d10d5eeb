/** Prints what CHANGELOG.md says of one version: `node scripts/changelog.ts 1.2.3`. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** A version's part of a changelog, without its heading; undefined if there is none. */
export const changesOf = (version: string, changelog: string): string | undefined =>
  changelog
    .split(/^## /m)
    .find((part) => part.startsWith(`${version}\n`))
    ?.slice(version.length)
    .trim()

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , version = ""] = process.argv
  const changes = changesOf(version, readFileSync(new URL("../CHANGELOG.md", import.meta.url), "utf8"))
  if (changes === undefined) {
    process.stderr.write(`CHANGELOG.md has no part for ${version}.\n`)
    process.exitCode = 1
  } else process.stdout.write(`${changes}\n`)
}
