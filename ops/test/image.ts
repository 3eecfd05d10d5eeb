/**
 * Runs an image's file system as a container engine would, by the image's own configuration: its user, its entry point
 * as the first process, its root read-only, nothing mounted but /proc and /etc/hosts. `node ops/test/image.ts ROOT IMAGE
 * ARCHITECTURE`, where IMAGE is buildah's description of it and ARCHITECTURE what it has to be of. ops/test/image.sh calls it.
 */
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { freePort } from "./freePort.ts"

interface Image {
  readonly Docker: {
    readonly architecture: string
    readonly config: {
      readonly User: string
      readonly Env: ReadonlyArray<string>
      readonly Entrypoint: ReadonlyArray<string>
      readonly Cmd: ReadonlyArray<string>
      readonly Labels: Readonly<Record<string, string>>
      readonly Healthcheck: { readonly Test: ReadonlyArray<string>; readonly Timeout: number }
    }
  }
}

const [root = "", description = "", architecture = "amd64"] = process.argv.slice(2)
const image: Image = JSON.parse(readFileSync(description, "utf8"))
const { Cmd, Entrypoint, Env, Healthcheck, Labels, User } = image.Docker.config
const running = new Set<ChildProcess>()

/** A container that shares this machine's network. */
const run = (command: ReadonlyArray<string>, settings: Readonly<Record<string, string>> = {}) => {
  const [uid = "", gid = ""] = User.split(":")
  const inside = [
    `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"`,
    `mount -t proc proc "$0/proc"`,
    // One process after another takes the place of this one, and so the program has number 1.
    `exec setpriv --no-new-privs chroot --userspec=${uid}:${gid} --groups=${gid} "$0" "$@"`
  ].join(" && ")
  const child = spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-c", inside, root, ...command],
    {
      env: { ...Object.fromEntries(Env.map((line) => line.split(/=(.*)/s).slice(0, 2))), ...settings },
      stdio: ["ignore", "pipe", "pipe"]
    }
  )
  running.add(child)
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
    })
  const ended = once(child, "close").then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  return { child, ended, output: () => output }
}

const program = (args: ReadonlyArray<string>, settings?: Readonly<Record<string, string>>) =>
  run([...Entrypoint, ...args], settings)

/** The first process inside, as this machine knows it. */
const firstProcess = (outer: number): number =>
  Number(readFileSync(`/proc/${outer}/task/${outer}/children`, "utf8").trim())

const health = (port: number) => {
  const [form, ...command] = Healthcheck.Test
  assert.equal(form, "CMD")
  return run(command, { PORT: String(port) }).ended
}

const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
  const end = performance.now() + 60_000
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what} took too long.`)
    await pause(25)
  }
}

const bytesOf = (path: string): number =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + bytesOf(`${path}/${name}`), 0)
    : statSync(path).size

const zippedBytesOf = (path: string): number =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + zippedBytesOf(`${path}/${name}`), 0)
    : gzipSync(readFileSync(path)).length

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

const check = async (what: string, holds: () => Promise<string> | string): Promise<void> => {
  process.stdout.write(`${what}: ${await holds()}\n`)
}

const main = async (): Promise<void> => {
  writeFileSync(`${root}/etc/hosts`, "127.0.0.1 localhost\n")

  await check("nothing but the program", () => {
    const unwanted = [
      "sh",
      "bash",
      "dash",
      "busybox",
      "apt",
      "apt-get",
      "dpkg",
      "apk",
      "npm",
      "npx",
      "yarn",
      "corepack"
    ]
    const folders = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin"]
    const found = folders.flatMap((folder) => unwanted.filter((name) => existsSync(`${root}/${folder}/${name}`)))
    assert.deepEqual(found, [])
    assert.deepEqual(readdirSync(`${root}/usr/local/bin`), ["node"])
    assert.ok(!existsSync(`${root}/app/node_modules`))
    return `no shell, no package manager; /app holds ${readdirSync(`${root}/app/dist`).join(", ")}`
  })

  await check("configuration", async () => {
    assert.match(User, /^[1-9]\d*:[1-9]\d*$/)
    for (const label of ["title", "description", "licenses", "version", "revision", "base.name"])
      assert.ok(Labels[`org.opencontainers.image.${label}`], label)
    const { version } = JSON.parse(readFileSync(`${root}/app/package.json`, "utf8"))
    const told = program(["--version"])
    assert.equal(await told.ended, 0, told.output())
    assert.ok(told.output().includes(version), told.output())
    assert.equal(image.Docker.architecture, architecture)
    const node = run(["node", "--print", "process.arch"])
    assert.equal(await node.ended, 0, node.output())
    assert.equal(node.output().trim(), architecture === "amd64" ? "x64" : architecture)
    return `user ${User}, version ${version}, ${architecture}`
  })

  const [simulatorPort, port] = await Promise.all([freePort(), freePort()])
  const simulator = program(["simulate", "--port", String(simulatorPort)])
  const settings = {
    PORT: String(port),
    KOBOLDCPP_API_URL: `http://127.0.0.1:${simulatorPort}/api`,
    AI_TICKET_AUTH_TOKEN: "letmein"
  }
  const service = program([...Cmd], settings)
  const url = `http://127.0.0.1:${port}`
  const ask = (prompt: string, tokens: number) =>
    fetch(`${url}/event`, {
      method: "POST",
      headers: { authorization: "Bearer letmein", "content-type": "application/json" },
      body: JSON.stringify({ content: { prompt, max_tokens: tokens } })
    }).then(async (response) => [response.status, Object.keys((await response.json()) as object)[0]])

  await check("health", async () => {
    const before = performance.now()
    await until("The service", async () => (await fetch(`${url}/health`)).ok)
    const started = performance.now() - before
    await until("The simulator", async () => (await fetch(`${url}/ready`)).ok)
    const asked = performance.now()
    assert.equal(await health(port), 0)
    const took = performance.now() - asked
    assert.ok(took * 1e6 < Healthcheck.Timeout)
    assert.notEqual(await health(await freePort()), 0)
    return `up within ${Math.round(started)} ms; its check passes in ${Math.round(took)} ms, and fails where nobody listens`
  })

  const first = firstProcess(service.child.pid ?? 0)
  await check("the process", () => {
    const status = new Map(
      readFileSync(`/proc/${first}/status`, "utf8")
        .split("\n")
        .map((line) => line.split(/:\s+/, 2) as [string, string])
    )
    assert.match(status.get("NSpid") ?? "", /\s1$/)
    assert.match(status.get("Uid") ?? "", new RegExp(`^(${User.split(":")[0]}\\s*){4}$`))
    assert.match(status.get("Groups") ?? "", new RegExp(`^(${User.split(":")[1]})?\\s*$`))
    assert.match(status.get("CapEff") ?? "", /^0+$/)
    return `number 1, user ${status.get("Uid")?.split("\t")[0]}, no capabilities`
  })

  await check("the root", async () => {
    const write = `require("fs").writeFileSync(process.argv[1], "")`
    for (const path of ["/app/dist/main.js", "/tmp/x", "/home/x"]) {
      const writer = run(["node", "-e", write, path])
      assert.notEqual(await writer.ended, 0)
      assert.match(writer.output(), /EROFS|EACCES|ENOENT/)
    }
    return "nothing can be written"
  })

  await check("an event", async () => {
    assert.deepEqual(await ask("Summarise", 8), [200, "id"])
    assert.equal((await fetch(`${url}/event`, { method: "POST", body: "{}" })).status, 401)
    const prompt = program(["prompt", "--server-url", url, "--max-tokens", "8", "Summarise"], {
      AI_TICKET_TOKEN: "letmein"
    })
    assert.equal(await prompt.ended, 0, prompt.output())
    assert.match(prompt.output(), /\w/)
    return "200 with the token, 401 without, and `prompt` prints an answer"
  })

  await check("SIGTERM", async () => {
    const answer = ask("Tell a long story", 100)
    await until("The work", async () =>
      /^ai_ticket_slots_in_use 1$/m.test(await (await fetch(`${url}/metrics`)).text())
    )
    const asked = performance.now()
    process.kill(first, "SIGTERM")
    assert.deepEqual(await answer, [200, "id"])
    assert.equal(await service.ended, 0, service.output())
    const took = performance.now() - asked
    return `what was in hand is answered, and it exits with 0 after ${Math.round(took)} ms`
  })

  await check("two workers", async () => {
    const several = program([...Cmd], { ...settings, AI_TICKET_WORKERS: "2" })
    await until("The workers", async () => (await fetch(`${url}/ready`)).ok)
    assert.deepEqual(await ask("Summarise", 8), [200, "id"])
    process.kill(firstProcess(several.child.pid ?? 0), "SIGTERM")
    assert.equal(await several.ended, 0, several.output())
    process.kill(firstProcess(simulator.child.pid ?? 0), "SIGTERM")
    assert.equal(await simulator.ended, 0, simulator.output())
    return "answer, and end with 0"
  })

  await check("sizes", () => {
    const node = `${root}/usr/local/bin/node`
    const app = `${root}/app`
    assert.ok(bytesOf(app) < 60e6)
    return `Node ${megabytes(bytesOf(node))} (${megabytes(zippedBytesOf(node))} compressed); the program and its assets above it ${megabytes(bytesOf(app))} (${megabytes(zippedBytesOf(app))})`
  })
}

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})
try {
  await main()
  process.stdout.write("all passed\n")
} catch (error) {
  process.stderr.write(`failed: ${error instanceof Error ? error.stack : error}\n`)
  process.exit(1)
}
