/**
 * What `npm pack` makes, as its users get it: it holds what runs and nothing else, brings no other package along, and,
 * installed in an empty folder, the program and the library work.
 *
 *   npm run packed
 */
import { type ExecFileOptions, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "ai-ticket-packed-"))
const children = new Set<ReturnType<typeof spawn>>()

/** As on its user's machine: with this Node, and nothing of the repository's. */
const env = {
  PATH: [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
  HOME: folder,
  npm_config_cache: process.env["npm_config_cache"] ?? join(folder, "npm"),
  npm_config_update_notifier: "false"
}
const run = async (file: string, args: ReadonlyArray<string>, options: ExecFileOptions = {}) => {
  const { stdout } = await promisify(execFile)(file, args, { cwd: folder, env, encoding: "utf8", ...options })
  return String(stdout).trim()
}

const check = (what: string, holds: boolean) => {
  if (!holds) throw new Error(`It does not hold: ${what}`)
  process.stdout.write(`ok: ${what}\n`)
}

const program = join(folder, "node_modules", ".bin", "ai-ticket")

/** Starts one of its servers, and returns where it listens. */
const serve = async (...args: ReadonlyArray<string>): Promise<string> => {
  const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] })
  children.add(child)
  child.once("exit", () => children.delete(child))
  const signal = AbortSignal.timeout(20_000)
  let text = ""
  for (;;) {
    const [more] = await once(child.stdout, "data", { signal })
    text += String(more)
    const url = /\bon (http:[^\s"]+)/.exec(text)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return url
  }
}

const stopAll = () =>
  Promise.all(
    [...children].map(async (child) => {
      child.kill("SIGTERM")
      const [code] = await once(child, "exit", { signal: AbortSignal.timeout(20_000) })
      check(`${child.spawnargs[1] ?? ""} ends with 0`, code === 0)
    })
  )

const library = `
import { type Completion, errorBody, InferenceFailure, layer, onEvent } from "ai-ticket"
import * as Effect from "effect/Effect"
const program: Effect.Effect<Completion, unknown> = onEvent({ content: "hello" }).pipe(
  Effect.provide(layer({ KOBOLDCPP_API_URL: process.argv[2] ?? "" }))
)
Effect.runPromise(program).then(({ text }) => console.log(text))
export const told = (failure: InferenceFailure) => errorBody(failure).error
`

const main = async () => {
  const manifest = readFileSync(join(root, "package.json"), "utf8")
  await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: root })
  check("package.json is as it was", readFileSync(join(root, "package.json"), "utf8") === manifest)
  const { name, version } = JSON.parse(manifest)
  const tarball = join(folder, `${name}-${version}.tgz`)

  const listed = (await run("tar", ["-tzf", tarball])).split("\n")
  const wanted =
    /^package\/(package\.json|README\.md|LICENSE|dist\/(ai-ticket\.js|licences\.txt|(main|index)\.js(\.map)?|types\/.+\.d\.ts))$/
  check(
    `it holds what runs and nothing else: ${listed.length} files`,
    listed.every((file) => wanted.test(file))
  )

  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }')
  await run("npm", ["install", "--no-audit", "--no-fund", "--silent", "--offline", tarball])
  const installed = readdirSync(join(folder, "node_modules")).filter((entry) => !entry.startsWith("."))
  check("it brings nothing along", installed.join() === name)

  check("ai-ticket --version", (await run(program, ["--version"])).includes(version))
  const backend = await serve("simulate", "--port", "0")
  for (const workers of ["1", "2"]) {
    const url = await serve("serve", "--port", "0", "--workers", workers, "--koboldcpp-url", backend)
    const answer = await run(program, ["prompt", "hello", "--server-url", url])
    check(`ai-ticket serve --workers ${workers}, and ai-ticket prompt`, answer.startsWith("Simulated answer to hello"))
  }

  for (const shared of ["effect", "@types"]) {
    symlinkSync(join(root, "node_modules", shared), join(folder, "node_modules", shared), "junction")
  }
  writeFileSync(join(folder, "library.ts"), library)
  const options = ["--module", "nodenext", "--target", "es2024", "--strict", "--noEmit", "--types", "node"]
  const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")))
  await run(process.execPath, [tsc, ...options, "--skipLibCheck", "library.ts"])
  check("the library's types are there, with their user's effect", true)
  const answer = await run(process.execPath, ["library.ts", backend])
  check("import from ai-ticket, with its user's effect alone", answer.startsWith("Simulated answer to hello"))
  await stopAll()
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  for (const child of children) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
}
