/** Builds `dist`: the program, the library and its declarations. */
import { execFile } from "node:child_process"
import { chmodSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type BuildOptions, build } from "esbuild"
import { bundledLicences } from "./licences.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const common = {
  absWorkingDir: root,
  platform: "node",
  format: "esm",
  target: "node24",
  sourcemap: true,
  logLevel: "warning"
} satisfies BuildOptions

/** CommonJS dependencies ask for `require`, which an ES module hasn't got. */
const requireBanner = {
  js: 'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'
}

/** The program: its entry and, apart from it, everything else in one file; and the licences of what that contains. */
export const buildProgram = async (outdir: string): Promise<void> => {
  const [, { metafile }] = await Promise.all([
    // Read by Nodes that are too old to run the rest, so it is not bundled with it.
    build({ ...common, outdir, entryPoints: ["src/ai-ticket.ts"], sourcemap: false }),
    // Not split: undici's named exports get lost in a chunk of its own.
    build({
      ...common,
      outdir,
      entryPoints: ["src/main.ts"],
      bundle: true,
      banner: requireBanner,
      sourcesContent: false,
      metafile: true
    })
  ])
  writeFileSync(`${outdir}/licences.txt`, bundledLicences(Object.keys(metafile.inputs)))
  chmodSync(`${outdir}/ai-ticket.js`, 0o755)
}

/** The library: it shares its user's Effect, and brings along whatever else it needs. */
const buildLibrary = (outdir: string) =>
  build({
    ...common,
    outdir,
    entryPoints: ["src/index.ts"],
    bundle: true,
    external: ["effect", "effect/*"],
    banner: requireBanner,
    sourcesContent: false
  })

/** The library's declarations. */
const declare = () =>
  promisify(execFile)(process.execPath, [
    fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json"))),
    "--project",
    `${root}/scripts/tsconfig.types.json`
  ])

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dist = `${root}/dist`
  rmSync(dist, { recursive: true, force: true })
  await Promise.all([buildProgram(dist), buildLibrary(dist), declare()])
}
