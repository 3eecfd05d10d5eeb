/**
 * The quick start for Docker, and what docs/deploy.md says of Compose, against the engine that `docker` speaks to:
 * `node ops/test/compose.ts` in a clone that has a certificate and a token. With COMPOSE_TEST_ADDRESS, an address of this
 * machine that isn't of an inner network, also what clients from outside are told. ops/test/compose.sh calls it.
 */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { request as httpsRequest } from "node:https"
import { setTimeout as pause } from "node:timers/promises"

const port = Number(process.env["TLS_PORT"] ?? 8443)
const outside = process.env["COMPOSE_TEST_ADDRESS"]
const tokenFile = "ops/secrets/ai_ticket_auth_token.txt"
const certificate = readFileSync("ops/certs/server.crt")
const token = readFileSync(tokenFile, "utf8").trim()

const run = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const child = spawn("docker", args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  let errors = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text
  })
  const [code] = (await once(child, "close")) as [number | null]
  return { code, output: output.trim(), errors: errors.trim() }
}

/** What it says, if it ends well. */
const docker = async (args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>): Promise<string> => {
  const { code, errors, output } = await run(args, env)
  assert.equal(code, 0, `docker ${args.join(" ")}\n${output}\n${errors}`)
  return output
}

const compose = (args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>) =>
  docker(["compose", "--profile", "demo", ...args], env)

const containerOf = (service: string) => compose(["ps", "--quiet", service])

interface Container {
  readonly Id: string
  readonly Image: string
  readonly State: { readonly Status: string; readonly ExitCode: number }
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean
    readonly CapDrop: ReadonlyArray<string>
    readonly SecurityOpt: ReadonlyArray<string>
    readonly Memory: number
    readonly NanoCpus: number
    readonly PidsLimit: number
  }
  readonly Config: { readonly User: string }
}

const inspect = async (id: string): Promise<Container> => {
  const [found] = JSON.parse(await docker(["inspect", id])) as ReadonlyArray<Container>
  return found ?? assert.fail(id)
}

interface Answer {
  readonly status: number
  readonly text: string
  /** When each piece came, in milliseconds since the request was sent. */
  readonly times: ReadonlyArray<number>
}

const ask = (
  path: string,
  { as = token, body, to = "127.0.0.1" }: { readonly as?: string; readonly body?: string; readonly to?: string } = {}
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = performance.now()
    const request = httpsRequest(
      {
        host: to,
        port,
        path,
        servername: "localhost",
        ca: certificate,
        agent: false,
        method: body === undefined ? "GET" : "POST",
        headers: {
          authorization: `Bearer ${as}`,
          ...(body === undefined ? {} : { "content-type": "application/json" })
        }
      },
      (response) => {
        const times: Array<number> = []
        let text = ""
        response.setEncoding("utf8").on("data", (piece: string) => {
          times.push(performance.now() - sent)
          text += piece
        })
        response.on("error", reject)
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text, times }))
      }
    )
    request.on("error", reject)
    request.end(body)
  })

const event = (prompt: string, tokens: number, more: object = {}) =>
  JSON.stringify({ content: { prompt, max_tokens: tokens }, ...more })

const until = async (what: string, holds: () => Promise<boolean>): Promise<number> => {
  const began = performance.now()
  while (!(await holds().catch(() => false))) {
    if (performance.now() - began > 30_000) throw new Error(`${what} took too long.`)
    await pause(50)
  }
  return performance.now() - began
}

const isBusy = async () => /^ai_ticket_slots_in_use 1$/m.test((await ask("/metrics")).text)
const milliseconds = (time: number) => `${Math.round(time)} ms`

const check = async (what: string, holds: () => Promise<string>): Promise<void> => {
  process.stdout.write(`${what}: ${await holds()}\n`)
}

const main = async (): Promise<void> => {
  await check("the engine", async () => {
    const [engine, { output: plugin }] = await Promise.all([
      docker(["version", "--format", "{{.Server.Version}}"]),
      run(["compose", "version", "--short"])
    ])
    return `Docker ${engine}, Compose ${plugin}`
  })

  await check("the quick start", async () => {
    await compose(["config", "--quiet"])
    const began = performance.now()
    await compose(["up", "--build", "--detach", "--wait", "--wait-timeout", "180"])
    const took = performance.now() - began
    const health = await ask("/health")
    assert.deepEqual([health.status, JSON.parse(health.text).status], [200, "healthy"])
    const answer = await ask("/event", { body: JSON.stringify({ content: "Summarise open tickets" }) })
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual((await ask("/event", { as: "nobody's", body: event("Summarise", 2) })).status, 403)
    return `built and healthy after ${Math.round(took / 1000)} s; an event is answered, one with a wrong token isn't`
  })

  await check("a stream, token by token", async () => {
    const { text, times } = await ask("/event", { body: event("Tell", 40, { stream: true }) })
    const [first = 0, last = 0] = [times[0], times.at(-1)]
    assert.match(text, /"done":true,"completion_tokens":40/)
    assert.ok(times.length >= 30, `${times.length} pieces`)
    // 40 tokens at 50 a second.
    assert.ok(last - first > 500, `all within ${milliseconds(last - first)}`)
    return `40 tokens in ${times.length} pieces, from ${milliseconds(first)} to ${milliseconds(last)}`
  })

  await check("its containers", async () => {
    for (const service of ["ai-ticket", "proxy", "simulator"]) {
      const id = await containerOf(service)
      const { Config, HostConfig } = await inspect(id)
      assert.equal(HostConfig.ReadonlyRootfs, true)
      assert.deepEqual(HostConfig.CapDrop, ["ALL"])
      assert.deepEqual(HostConfig.SecurityOpt, ["no-new-privileges:true"])
      assert.ok(HostConfig.Memory > 0 && HostConfig.NanoCpus > 0 && HostConfig.PidsLimit > 0)
      assert.match(Config.User, /^[1-9]\d*:[1-9]\d*$/)
    }
    const service = await containerOf("ai-ticket")
    const facts = `const { readFileSync, writeFileSync } = require("fs")
      const errors = ["/app/x", "/tmp/x", "/x"].map((path) => { try { writeFileSync(path, "") } catch ({ code }) { return code } })
      const [, capabilities] = /CapEff:\\s*(\\w+)/.exec(readFileSync("/proc/1/status", "utf8"))
      console.log(JSON.stringify([process.getuid(), Number("0x" + capabilities), readFileSync("/proc/1/cmdline", "utf8").split("\\0")[0], errors]))`
    const [user, capabilities, first, errors] = JSON.parse(await docker(["exec", service, "node", "-e", facts]))
    assert.deepEqual([user, capabilities, first, errors], [65_532, 0, "node", ["EROFS", "EROFS", "EROFS"]])
    assert.notEqual((await run(["exec", service, "sh", "-c", "true"])).code, 0)
    return "read-only, without capabilities or a shell, limited; not root, and Node is the first process"
  })

  await check("networks", async () => {
    const proxy = await containerOf("proxy")
    const reaches = async (url: string) => {
      const { code } = await run(["exec", proxy, "curl", "--silent", "--output", "/dev/null", "--max-time", "3", url])
      return code
    }
    assert.equal(await reaches("http://ai-ticket:5000/health"), 0)
    // 6: there is no such name.
    assert.equal(await reaches("http://koboldcpp:5001/api/v1/model"), 6)
    return "the proxy finds the service, and no backend"
  })

  if (outside !== undefined)
    await check("a client from outside", async () => {
      assert.equal((await ask("/metrics")).status, 200)
      assert.equal((await ask("/metrics", { to: outside })).status, 403)
      const statuses: Array<number> = []
      for (let index = 0; index < 122; index++) statuses.push((await ask("/event", { to: outside, body: "{}" })).status)
      assert.deepEqual(
        [statuses.slice(0, 120).every((status) => status === 400), ...statuses.slice(120)],
        [true, 429, 429],
        String(statuses)
      )
      assert.equal((await ask("/event", { body: "{}" })).status, 400)
      const log = await compose(["logs", "--no-log-prefix", "ai-ticket"])
      assert.ok(log.includes(`"client":"${outside}"`))
      return `is known by its address, limited by it, and kept from /metrics`
    })

  await check("another token", async () => {
    writeFileSync(tokenFile, `${token}\nanother\n`)
    const took = await until("The token", async () => (await ask("/v1/models", { as: "another" })).status === 200)
    writeFileSync(tokenFile, `${token}\n`)
    await until("Its end", async () => (await ask("/v1/models", { as: "another" })).status === 403)
    return `counts ${milliseconds(took)} after it is written, and no more when it is gone`
  })

  await check("stop, while a request runs", async () => {
    const service = await containerOf("ai-ticket")
    const answer = ask("/event", { body: event("Tell a long story", 200) })
    await until("The work", isBusy)
    const began = performance.now()
    await compose(["stop", "ai-ticket"])
    const took = performance.now() - began
    const { status, text } = await answer
    assert.equal(status, 200, text)
    const { State } = await inspect(service)
    assert.deepEqual([State.Status, State.ExitCode], ["exited", 0])
    const gone = await ask("/event", { body: event("Summarise", 2) })
    assert.deepEqual([gone.status, JSON.parse(gone.text).error], [503, "no_backend_available"])
    await compose(["start", "ai-ticket"])
    const back = await until("Its return", async () => (await ask("/ready")).status === 200)
    return `it is answered, and the service ends with 0 after ${milliseconds(took)}; then 503, and ${milliseconds(back)} after \`start\` it is found again`
  })

  await check("an upgrade", async () => {
    writeFileSync(".env", "RATE_LIMIT_REQUESTS=0\n")
    await compose(["up", "--detach", "--wait"])
    await until("The service", async () => (await ask("/ready")).status === 200)
    const next = "ai-ticket-test:next"
    await docker(["tag", await compose(["images", "--quiet", "ai-ticket"]), next])
    const env = { AI_TICKET_IMAGE: next }
    const old = await containerOf("ai-ticket")
    const statuses = new Map<string, number>()
    let going = true
    const note = (what: string) => statuses.set(what, (statuses.get(what) ?? 0) + 1)
    const caller = async () => {
      while (going)
        await ask("/event", { body: event("Summarise", 1) }).then(
          ({ status, text }) => note(status === 200 ? "200" : `${status} ${text}`),
          (error: Error) => note(error.message)
        )
    }
    const callers = Array.from({ length: 4 }, caller)
    const up = ["up", "--detach", "--no-deps", "--no-recreate"]
    // As docs/deploy.md says.
    await compose([...up, "--wait", "--scale", "ai-ticket=2", "ai-ticket"], env)
    await docker(["stop", "-t", "40", old])
    await docker(["rm", old])
    await compose([...up, "--scale", "ai-ticket=1", "ai-ticket"], env)
    await pause(500)
    going = false
    await Promise.all(callers)
    assert.deepEqual([...statuses.keys()], ["200"], JSON.stringify(Object.fromEntries(statuses)))
    const now = await containerOf("ai-ticket")
    assert.match(now, /^\w+$/)
    assert.notEqual(now, old)
    return `${statuses.get("200")} requests while one container took the place of the other, none lost`
  })

  await check("a renewed certificate", async () => {
    const before = await containerOf("proxy")
    await compose(["kill", "--signal", "HUP", "proxy"])
    await pause(300)
    assert.equal((await ask("/health")).status, 200)
    const { Id, State } = await inspect(before)
    assert.deepEqual([Id, State.Status], [before, "running"])
    return "is read by the proxy at SIGHUP, which goes on"
  })

  await check("down", async () => {
    const ids = await Promise.all(["ai-ticket", "proxy", "simulator"].map(containerOf))
    await compose(["stop"])
    for (const id of ids) assert.equal((await inspect(id)).State.ExitCode, 0)
    await compose(["down", "--volumes"])
    assert.equal(await compose(["ps", "--all", "--quiet"]), "")
    return "all end with 0, and nothing is left"
  })
}

try {
  await main()
  process.stdout.write("all passed\n")
} catch (error) {
  const { output } = await run(["compose", "--profile", "demo", "logs", "--tail", "40"])
  process.stderr.write(`${output}\n\nfailed: ${error instanceof Error ? error.stack : error}\n`)
  await run(["compose", "--profile", "demo", "down", "--volumes"])
  process.exit(1)
}
