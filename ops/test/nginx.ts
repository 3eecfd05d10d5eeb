/**
 * What compose's proxy is relied on for, against the real nginx: `node ops/test/nginx.ts FOLDER`, where FOLDER/etc/certs
 * holds the certificate. ops/test/nginx.sh calls it.
 */
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http"
import { Agent, request as httpsRequest } from "node:https"
import { connect, createServer, type Server } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { connect as tlsConnect } from "node:tls"
import { fileURLToPath } from "node:url"
import { freePort } from "./freePort.ts"

const folder = process.argv[2] ?? assert.fail("usage: node ops/test/nginx.ts FOLDER")
const program = fileURLToPath(new URL("../../dist/ai-ticket.js", import.meta.url))
const nobody = 65_534
const isRoot = process.getuid?.() === 0

/** Everything that was started and hasn't ended. */
const running = new Set<ChildProcess>()
const logs: Array<string> = []

const start = (
  name: string,
  command: string,
  args: ReadonlyArray<string>,
  { env = {}, stdout = "pipe" }: { readonly env?: Record<string, string>; readonly stdout?: number | "pipe" } = {}
) => {
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", stdout, "pipe"]
  })
  running.add(child)
  const exited = once(child, "close").then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  let output = ""
  const heed = (text: string) => {
    output += text
    logs.push(`${name}: ${text.trimEnd()}`)
    if (logs.length > 400) logs.shift()
  }
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", heed)
  return { child, exited, output: () => output }
}

/** Asks again until it holds, but not for ever. */
const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
  const end = performance.now() + 15_000
  for (;;) {
    if (await Promise.resolve(holds()).catch(() => false)) return
    if (performance.now() > end) throw new Error(`${what} took too long.`)
    await pause(25)
  }
}

interface Answer {
  readonly status: number
  readonly version: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** When each piece came, in milliseconds since the request was sent. */
  readonly times: ReadonlyArray<number>
  readonly localPort: number
}

interface Question {
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  /** The client's own address. */
  readonly from?: string
  readonly agent?: Agent
}

const [proxyPort, relayPort, simulatorPort, portA, portB] = await Promise.all([
  freePort(),
  freePort(),
  freePort(),
  freePort(),
  freePort()
])
const certificate = readFileSync(`${folder}/etc/certs/server.crt`)

const ask = (path: string, { agent, body, from, headers, method }: Question = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = performance.now()
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        servername: "localhost",
        port: proxyPort,
        path,
        ca: certificate,
        agent: agent ?? false,
        method: method ?? (body === undefined ? "GET" : "POST"),
        ...(from === undefined ? {} : { localAddress: from }),
        headers: {
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
          ...headers
        }
      },
      (response) => {
        const times: Array<number> = []
        const localPort = response.socket.localPort ?? 0
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (piece: string) => {
          times.push(performance.now() - sent)
          text += piece
        })
        response.on("error", reject)
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            version: response.httpVersion,
            headers: response.headers,
            text,
            times,
            localPort
          })
        )
      }
    )
    request.on("error", reject)
    request.end(body)
  })

/** A route of a service or of the simulator, with no proxy between. */
const askPlain = (
  port: number,
  path: string,
  body?: string
): Promise<{ readonly status: number; readonly text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" }
    const method = body === undefined ? "GET" : "POST"
    httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece
      })
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }))
      response.on("error", reject)
    })
      .on("error", reject)
      .end(body)
  })

const event = (content: object, more: object = {}) => JSON.stringify({ content, ...more })

const serve = async (port: number, limit: number, more: Record<string, string> = {}, path = "/ready") => {
  const service = start("service", process.execPath, [program, "serve"], {
    env: {
      PORT: String(port),
      KOBOLDCPP_API_URL: `http://127.0.0.1:${simulatorPort}`,
      RATE_LIMIT_REQUESTS: String(limit),
      TRUST_PROXY_COUNT: "1",
      LOG_LEVEL: "WARNING",
      ...more
    }
  })
  await until("The start of the service", async () => (await askPlain(port, path)).status === 200)
  return service
}

const stop = async ({ child, exited }: ReturnType<typeof start>) => {
  child.kill("SIGTERM")
  assert.equal(await exited, 0, "SIGTERM ends it well")
}

/** Compose's own file, with this machine's servers where Compose's service stands. */
const writeUpstream = (ports: ReadonlyArray<number>) => {
  const file = readFileSync(new URL("../nginx/upstream.conf", import.meta.url), "utf8")
  const line = /^ *server ai-ticket:5000 resolve max_fails=0;$/m
  assert.match(file, line)
  writeFileSync(
    `${folder}/etc/upstream.conf`,
    file.replace(line, ports.map((port) => `  server 127.0.0.1:${port} max_fails=0;`).join("\n"))
  )
}

/** Compose's own file; the port alone is a free one of this machine. */
const startNginx = async () => {
  const file = readFileSync(new URL("../nginx/nginx.conf", import.meta.url), "utf8")
  assert.equal(file.split("listen 8443 ssl;").length, 2)
  mkdirSync(`${folder}/run`)
  writeFileSync(`${folder}/etc/nginx.conf`, file.replace("listen 8443 ssl;", `listen ${proxyPort} ssl;`))
  // A file, for Node's pipes are sockets, which nginx can't open as /dev/stdout.
  const log = openSync(`${folder}/nginx.log`, "a")
  const command = ["nginx", "-p", `${folder}/run/`, "-c", `${folder}/etc/nginx.conf`, "-g", "daemon off;"]
  if (isRoot) {
    // As in its container: not as root.
    for (const path of ["", "/etc", "/etc/certs", "/run", "/nginx.log"]) chownSync(folder + path, nobody, nobody)
    command.unshift("setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups")
  }
  const nginx = start("nginx", command[0] ?? "", command.slice(1), { stdout: log })
  await until("The start of nginx", async () => (await ask("/health")).status === 200)
  return nginx
}

/** Counts the connections that nginx opens, and keeps what it says at their beginning. */
const relay = () => {
  const seen = { connections: 0, heads: [] as Array<string> }
  const server: Server = createServer((socket) => {
    seen.connections += 1
    const onward = connect(portA, "127.0.0.1")
    socket.once("data", (head) => seen.heads.push(head.toString("latin1")))
    socket.pipe(onward)
    onward.pipe(socket)
    socket.on("error", () => onward.destroy())
    onward.on("error", () => socket.destroy())
  })
  server.listen(relayPort, "127.0.0.1")
  return { seen, server }
}

const check = async (name: string, body: () => Promise<string>) => {
  process.stdout.write(`ok: ${name}: ${await body()}\n`)
}

const milliseconds = (value: number) => `${Math.round(value)} ms`

const main = async () => {
  const simulator = start("simulator", process.execPath, [
    program,
    "simulate",
    ...["--port", String(simulatorPort), "--tokens-per-second", "20", "--model", "simulated"]
  ])
  await until("The start of the simulator", async () => (await askPlain(simulatorPort, "/api/v1/model")).status === 200)
  const limited = await serve(portA, 30)
  const counter = relay()
  writeUpstream([relayPort])
  const nginx = await startNginx()

  await check("TLS", async () => {
    const protocols: Array<string> = []
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = tlsConnect({
        host: "127.0.0.1",
        port: proxyPort,
        servername: "localhost",
        ca: certificate,
        minVersion: version,
        maxVersion: version
      })
      await once(socket, "secureConnect")
      assert.equal(socket.authorized, true)
      protocols.push(String(socket.getProtocol()))
      socket.destroy()
    }
    const old = tlsConnect({
      host: "127.0.0.1",
      port: proxyPort,
      ca: certificate,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0"
    })
    await assert.rejects(once(old, "secureConnect"))
    const plain = await askPlain(proxyPort, "/health")
    assert.equal(plain.status, 400)
    assert.equal(JSON.parse(plain.text).error, "invalid_request")
    return `${protocols.join(" and ")}, nothing older; plain HTTP is told invalid_request`
  })

  await check("routes", async () => {
    const from = "127.0.0.10"
    const answer = await ask("/event", { from, body: event({ prompt: "Summarise", max_tokens: 2 }) })
    assert.equal(answer.status, 200, answer.text)
    assert.notEqual(JSON.parse(answer.text).completion, "")
    assert.equal((await ask("/v1/models", { from })).status, 200)
    const missing = await ask("/no/such/route", { from })
    assert.deepEqual([missing.status, JSON.parse(missing.text).error], [404, "not_found"])
    assert.equal(missing.headers["x-request-processed-by"], "ai-ticket")
    const closed: Array<number> = []
    for (const path of ["/metrics", "/ready"]) {
      assert.equal((await ask(path)).status, 200)
      const denied = await ask(path, { from })
      assert.equal(JSON.parse(denied.text).error, "forbidden")
      closed.push(denied.status)
    }
    const long = await ask("/health", { headers: { "x-long": "x".repeat(17_000) } })
    assert.deepEqual([long.status, JSON.parse(long.text).error], [431, "request_header_fields_too_large"])
    return `/event, /v1/ and the service's own 404 pass; /metrics and /ready: 200 from inside, ${closed[0]} from elsewhere`
  })

  await check("a backend that speaks TLS", async () => {
    const there = { KOBOLDCPP_API_URL: `https://localhost:${proxyPort}` }
    const trusting = await serve(portB, 0, { ...there, NODE_EXTRA_CA_CERTS: `${folder}/etc/certs/server.crt` })
    for (const stream of [false, true, false]) {
      const { status, text } = await askPlain(
        portB,
        "/event",
        event({ prompt: "Summarise", max_tokens: 2 }, { stream })
      )
      assert.equal(status, 200, text)
      assert.ok(!stream || text.includes('"done":true,"completion_tokens":2'), text)
    }
    await stop(trusting)
    const wary = await serve(portB, 0, there, "/health")
    const { status, text } = await askPlain(portB, "/event", event({ prompt: "Summarise", max_tokens: 2 }))
    assert.deepEqual([status, JSON.parse(text).error], [502, "api_connection_error"])
    await stop(wary)
    return "answers, whole and streamed, of one whose certificate is trusted; none of another"
  })

  await check("limits by the client's own address", async () => {
    const statuses = async (from: string, count: number, headers?: Record<string, string>) => {
      const found: Array<number> = []
      for (let index = 0; index < count; index++)
        found.push((await ask("/event", { from, body: "{}", ...(headers === undefined ? {} : { headers }) })).status)
      return found
    }
    const first = await statuses("127.0.0.20", 32)
    assert.equal(first.filter((status) => status === 400).length, 30, String(first))
    assert.deepEqual(first.slice(30), [429, 429])
    assert.deepEqual(await statuses("127.0.0.20", 1, { "x-forwarded-for": "198.51.100.7" }), [429])
    assert.deepEqual(await statuses("127.0.0.20", 1, { "x-forwarded-for": "198.51.100.7, 127.0.0.21" }), [429])
    assert.deepEqual(await statuses("127.0.0.21", 1), [400])
    return "30 of 32 pass, a forged X-Forwarded-For is told 429, another address passes"
  })

  await check("a stream, token by token", async () => {
    const streamed = await ask("/event", {
      from: "127.0.0.30",
      body: event({ prompt: "Tell", max_tokens: 20 }, { stream: true })
    })
    assert.match(streamed.headers["content-type"] ?? "", /^text\/event-stream/)
    const events = streamed.text.split("\n\n").filter((part) => part.startsWith("data: "))
    const gaps = streamed.times.slice(1).map((time, index) => time - (streamed.times[index] ?? 0))
    const [first = 0, last = 0] = [streamed.times[0], streamed.times.at(-1)]
    assert.ok(events.length >= 20, streamed.text)
    assert.ok(streamed.times.length >= 15, `${streamed.times.length} pieces`)
    // 20 tokens at 20 a second: a second in all.
    assert.ok(last - first > 700, `all within ${milliseconds(last - first)}`)
    assert.ok(Math.max(...gaps) < 400, `a gap of ${milliseconds(Math.max(...gaps))}`)
    const chat = await ask("/v1/chat/completions", {
      from: "127.0.0.30",
      body: JSON.stringify({ stream: true, max_tokens: 10, messages: [{ role: "user", content: "Tell" }] })
    })
    assert.match(chat.text, /data: \[DONE\]/)
    assert.ok(chat.times.length >= 7, `${chat.times.length} pieces`)
    const middle = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0
    return `${events.length} events in ${streamed.times.length} pieces, the first after ${milliseconds(first)}, the last after ${milliseconds(last)}, ${milliseconds(middle)} apart (median)`
  })

  await check("a batch, read while it is sent", async () => {
    const request = httpsRequest({
      host: "127.0.0.1",
      servername: "localhost",
      port: proxyPort,
      path: "/events",
      ca: certificate,
      method: "POST",
      agent: false,
      localAddress: "127.0.0.32",
      headers: { "content-type": "application/jsonl" }
    })
    request.flushHeaders()
    const [response] = (await once(request, "response")) as [IncomingMessage]
    const lines: Array<string> = []
    response.setEncoding("utf8").on("data", (text: string) => {
      lines.push(...text.split("\n").filter((line) => line !== ""))
    })
    const ended = once(response, "end")
    for (let index = 0; index < 3; index++) {
      request.write(`${event({ prompt: "Summarise", max_tokens: 2 }, { id: index })}\n`)
      await until("The result", () => lines.length === index + 1)
    }
    // More than other bodies may have.
    request.write(`${" ".repeat(1_000_000)}\n`.repeat(3))
    request.end()
    await ended
    assert.equal(response.statusCode, 200)
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id),
      [0, 1, 2]
    )
    return "each of three results comes before the next event is sent; 3 MB pass"
  })

  await check("a client that leaves", async () => {
    const stops = async () => {
      const { text } = await askPlain(simulatorPort, "/simulator/ledger")
      const { generations } = JSON.parse(text) as { generations: ReadonlyArray<{ outcome: string }> }
      return generations.filter(({ outcome }) => outcome === "aborted" || outcome === "disconnected").length
    }
    const before = await stops()
    const request = httpsRequest({
      host: "127.0.0.1",
      servername: "localhost",
      port: proxyPort,
      path: "/event",
      ca: certificate,
      method: "POST",
      agent: false,
      localAddress: "127.0.0.31",
      headers: { "content-type": "application/json" }
    })
    request.on("error", () => {})
    const answered = once(request, "response")
    request.end(event({ prompt: "Tell", max_tokens: 400 }, { stream: true }))
    await answered
    const left = performance.now()
    request.destroy()
    await until("The abort", async () => (await stops()) === before + 1)
    return `its generation ends ${milliseconds(performance.now() - left)} later`
  })

  await check("kept connections", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const before = counter.seen.connections
    const ports = new Set<number>()
    for (let index = 0; index < 20; index++) {
      const answer = await ask("/v1/models", { agent, from: "127.0.0.40" })
      assert.deepEqual([answer.status, answer.version], [200, "1.1"])
      ports.add(answer.localPort)
    }
    agent.destroy()
    const opened = counter.seen.connections - before
    assert.equal(ports.size, 1)
    assert.ok(opened <= 2, `${opened} connections`)
    for (const head of counter.seen.heads) {
      assert.match(head, /^[A-Z]+ \S+ HTTP\/1\.1\r\n/)
      assert.doesNotMatch(head, /^connection:/im)
    }
    return `20 requests over one connection to nginx and ${opened} new to the service, all of them HTTP/1.1`
  })

  await check("bodies", async () => {
    const sized = (bytes: number) => {
      const frame = event({ prompt: "Summarise", max_tokens: 2 }, { padding: "" })
      return frame.replace('"padding":""', `"padding":"${"x".repeat(bytes - frame.length)}"`)
    }
    const from = "127.0.0.50"
    const whole = await ask("/event", { from, body: sized(1_048_576) })
    assert.equal(whole.status, 200, whole.text)
    const one = await ask("/event", { from, body: sized(1_048_577) })
    assert.deepEqual([one.status, JSON.parse(one.text).error], [413, "payload_too_large"])
    assert.equal(one.headers["x-request-processed-by"], "ai-ticket")
    const far = await ask("/event", { from, body: sized(3_000_000) })
    assert.deepEqual(Object.keys(JSON.parse(far.text)), Object.keys(JSON.parse(one.text)))
    assert.deepEqual(
      [far.status, JSON.parse(far.text).error, JSON.parse(far.text).status_code],
      [413, "payload_too_large", 413]
    )
    const openAi = await ask("/v1/completions", { from, body: sized(3_000_000) })
    assert.equal(JSON.parse(openAi.text).error.code, "payload_too_large")
    const koboldCpp = await ask("/api/v1/generate", { from, body: sized(3_000_000) })
    assert.equal(JSON.parse(koboldCpp.text).detail.error, "payload_too_large")
    assert.equal(JSON.parse(koboldCpp.text).detail.type, "bad_input")
    return "1048576 bytes pass; 1048577 and 3000000 are told payload_too_large, the one by the service, the other by nginx"
  })

  await check("no service", async () => {
    await stop(limited)
    const gone = await ask("/event", { body: "{}" })
    assert.deepEqual([gone.status, JSON.parse(gone.text).error], [503, "no_backend_available"])
    assert.deepEqual([JSON.parse(gone.text).status_code, gone.headers["retry-after"]], [503, "1"])
    const openAi = await ask("/v1/models")
    assert.deepEqual([openAi.status, JSON.parse(openAi.text).error.type], [503, "server_error"])
    const koboldCpp = await ask("/api/v1/model")
    assert.deepEqual([koboldCpp.status, JSON.parse(koboldCpp.text).detail.type], [503, "service_unavailable"])
    const own = await ask("/api/metrics/summary")
    assert.deepEqual([own.status, JSON.parse(own.text).error], [503, "no_backend_available"])
    return "503 no_backend_available, in all three shapes"
  })
  counter.server.close()

  await check("a rolling upgrade", async () => {
    let [a, b] = await Promise.all([serve(portA, 0), serve(portB, 0)])
    writeUpstream([portA, portB])
    nginx.child.kill("SIGHUP")
    await until("The reload", async () => (await ask("/health")).status === 200)
    const statuses = new Map<string, number>()
    let going = true
    const note = (what: string) => statuses.set(what, (statuses.get(what) ?? 0) + 1)
    const caller = async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      while (going)
        await ask("/event", { agent, body: event({ prompt: "Summarise", max_tokens: 1 }) }).then(
          ({ status, text }) => note(status === 200 ? "200" : `${status} ${text}`),
          (error: Error) => note(error.message)
        )
      agent.destroy()
    }
    const callers = Array.from({ length: 6 }, caller)
    const renewed: Array<number> = []
    // Streams that begin before each end and go on beyond it.
    const streams: Array<Promise<Answer>> = []
    const stream = () =>
      streams.push(ask("/event", { body: event({ prompt: "Tell", max_tokens: 30 }, { stream: true }) }))
    for (let round = 0; round < 2; round++) {
      for (const port of [portA, portB]) {
        stream()
        stream()
        await pause(300)
        const began = performance.now()
        await stop(port === portA ? a : b)
        renewed.push(performance.now() - began)
        await pause(300)
        const fresh = await serve(port, 0)
        if (port === portA) a = fresh
        else b = fresh
      }
    }
    going = false
    await Promise.all(callers)
    const endings = (await Promise.all(streams)).map(({ text }) => text.includes('"done":true,"completion_tokens"'))
    assert.deepEqual([...statuses.keys()], ["200"], JSON.stringify(Object.fromEntries(statuses)))
    assert.ok(endings.every(Boolean), String(endings))
    await Promise.all([stop(a), stop(b)])
    return `${statuses.get("200")} requests and ${streams.length} streams while four instances were replaced, none lost; each ended within ${milliseconds(Math.max(...renewed))}`
  })

  nginx.child.kill("SIGQUIT")
  assert.equal(await nginx.exited, 0)
  assert.doesNotMatch(nginx.output(), /\[(alert|crit|emerg)\]/)
  await stop(simulator)
}

process.on("SIGTERM", () => process.exit(1))
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})
try {
  await main()
  process.stdout.write("all passed\n")
} catch (error) {
  process.stderr.write(`${logs.slice(-40).join("\n")}\n\nfailed: ${error instanceof Error ? error.stack : error}\n`)
  process.exit(1)
}
