import { rmSync, writeFileSync } from "node:fs"
import { Agent } from "node:http"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { MetricsSummary } from "../../src/domain/MetricsSummary.ts"
import { jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { clientsInALoop } from "../support/Outcome.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { type ScriptedBackend, scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { openStream } from "../support/StreamingClient.ts"
import { eventually } from "../support/TestService.ts"
import { startWorkers } from "../support/Workers.ts"
import { Program, start } from "./Program.ts"

const event = (content: string, more: object = {}) => ({ content, ...more })

/** Calls that the backend has in hand. */
const atBackend = ({ answered, calls }: ScriptedBackend) =>
  calls.filter(({ closedEarlyAt }) => closedEarlyAt === undefined).length - answered()

const metricsOf = (url: string) => Effect.map(send(url, { path: "/metrics" }), ({ text }) => parseMetrics(text))

const times = <A, E, R>(count: number, self: (at: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => at),
    self,
    { concurrency: "unbounded" }
  )

const keptAlive = Effect.acquireRelease(
  Effect.sync(() => new Agent({ keepAlive: true })),
  (pool) => Effect.sync(() => pool.destroy())
)

const distinct = <A>(values: ReadonlyArray<A>) => [...new Set(values)]

describe("several workers", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("let through what the limit allows in all, and count it in one sum", () =>
      Effect.gen(function* () {
        const { url } = yield* startWorkers(4, { RATE_LIMIT_REQUESTS: "120", RATE_LIMIT_WINDOW_SECONDS: "60" })
        const statuses = yield* times(200, () => Effect.map(send(url, { path: "/v1/models" }), ({ status }) => status))
        assert.strictEqual(statuses.filter((status) => status === 200).length, 120)
        assert.strictEqual(statuses.filter((status) => status === 429).length, 80)
        for (let scrape = 0; scrape < 4; scrape++) {
          const samples = yield* metricsOf(url)
          const counted = (status: string) =>
            sampleValue(samples, "ai_ticket_http_requests_total", { endpoint: "/v1/models", status })
          assert.deepStrictEqual([counted("200"), counted("429")], [120, 80])
          const states = ["closed", "half_open", "open"].map((state) =>
            sampleValue(samples, "ai_ticket_backend_breaker_state", { state })
          )
          assert.deepStrictEqual(states, [1, 0, 0])
        }
      })
    )

    it.effect("tell in one summary what all have done, and go on doing so when one is gone", () =>
      Effect.gen(function* () {
        const { pids, url } = yield* startWorkers(2)
        yield* times(6, () => sendEvent(url, event("hello")))
        yield* times(2, () => sendEvent(url, { contents: "none" }))
        const summary = Effect.map(send(url, { path: "/api/metrics/summary" }), (answer) =>
          Schema.decodeUnknownSync(MetricsSummary)(jsonIn(answer))
        )
        const sums = yield* times(4, () => summary)
        for (const { recent_errors, sparkline, totals } of sums) {
          assert.deepStrictEqual([totals.succeeded, totals.client_errors], [6, 2])
          // Of whatever seconds: a point may have been full in between.
          assert.strictEqual(
            sparkline.requests.reduce((sum, count) => sum + count, 0),
            8
          )
          assert.lengthOf(recent_errors, 2)
        }
        process.kill(pids()[0] ?? 0, "SIGKILL")
        yield* eventually(() => pids().length === 3)
        const { totals } = yield* summary
        assert.deepStrictEqual([totals.succeeded, totals.client_errors], [6, 2])
      })
    )

    it.effect("let no more than the slots allow to the backend, and no more than the limit into the line", () =>
      Effect.gen(function* () {
        const { backend, url } = yield* startWorkers(4, { AI_TICKET_SLOTS: "1", AI_TICKET_QUEUE_LIMIT: "5" })
        backend.script({ chat: [{ hang: true }] })
        const statuses: Array<number> = []
        const ask = (at: number) =>
          Effect.map(sendEvent(url, event(`event ${at}`)), ({ status }) => statuses.push(status))
        const answers = yield* Effect.forkScoped(times(12, ask))
        // All twelve have come, however long that takes: six are told no, and the others have a place.
        yield* eventually(() => statuses.length === 6)
        const readiness = Effect.map(send(url, { path: "/ready" }), (answer) => jsonIn(answer)["queue"])
        yield* until(readiness, (queue) => JSON.stringify(queue).includes('"waiting":5,"in_use":1'))
        for (let done = 0; done < 6; done++) {
          yield* eventually(() => backend.calls.length > done)
          assert.strictEqual(backend.calls.length, done + 1)
          assert.strictEqual(atBackend(backend), 1)
          backend.release()
        }
        yield* Fiber.join(answers)
        assert.deepStrictEqual(statuses, [...Array(6).fill(503), ...Array(6).fill(200)])
        assert.strictEqual(backend.calls.length, 6)
      })
    )

    it.effect("have so many requests in flight each as --threads says", () =>
      Effect.gen(function* () {
        const { backend, url } = yield* startWorkers(2, {}, ["--threads", "2"])
        backend.script({ chat: [{ hang: true }] })
        const answers = yield* Effect.forkScoped(times(5, () => sendEvent(url, event("asked"))))
        yield* until(send(url, { path: "/ready" }), ({ text }) => text.includes('"waiting":1,"in_use":4'))
        yield* eventually(() => backend.calls.length === 4)
        backend.script({})
        backend.release()
        for (const { status } of yield* Fiber.join(answers)) assert.strictEqual(status, 200)
      })
    )

    it.effect("lose with one that is killed only what it had in hand, stop that at the backend, and get another", () =>
      Effect.gen(function* () {
        const { backend, pids, service, url } = yield* startWorkers(4, { AI_TICKET_SLOTS: "12" })
        yield* times(8, () => sendEvent(url, event("before")))
        const before = yield* metricsOf(url)
        backend.script({ chat: [{ hang: true }] })
        const answers = yield* Effect.forkScoped(times(12, () => Effect.exit(sendEvent(url, event("during")))))
        yield* eventually(() => backend.calls.length === 20)

        process.kill(pids()[1] ?? 0, "SIGKILL")
        yield* eventually(() => backend.calls.some(({ closedEarlyAt }) => closedEarlyAt !== undefined))
        yield* eventually(() => pids().length === 5)
        const lost = backend.calls.filter(({ closedEarlyAt }) => closedEarlyAt !== undefined)
        yield* eventually(() => backend.aborts.length === lost.length)
        assert.sameMembers(
          backend.aborts.map(({ genkey }) => genkey),
          lost.map(({ body }) => body["genkey"])
        )
        assert.isAtLeast(lost.length, 1)
        assert.isAtMost(lost.length, 11)

        // The slots of the lost ones are free again, and those alone.
        const more = yield* Effect.forkScoped(times(lost.length + 1, () => sendEvent(url, event("after"))))
        yield* eventually(() => backend.calls.length === 20 + lost.length)
        yield* until(send(url, { path: "/ready" }), ({ text }) => text.includes('"waiting":1,"in_use":12'))
        assert.strictEqual(backend.calls.length, 20 + lost.length)
        backend.script({})
        backend.release()
        yield* Fiber.join(more)
        const exits = yield* Fiber.join(answers)
        assert.strictEqual(exits.filter(Exit.isFailure).length, lost.length)
        const statuses = exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value.status] : []))
        assert.deepStrictEqual(distinct(statuses), [200])

        const counted = (samples: typeof before) =>
          sampleValue(samples, "ai_ticket_http_requests_total", { endpoint: "/event", status: "200" })
        assert.strictEqual(counted(before), 8)
        assert.strictEqual(counted(yield* metricsOf(url)), 8 + statuses.length + lost.length + 1)
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect("find what a client has in hand, whichever of them it asks", () =>
      Effect.gen(function* () {
        const { backend, url } = yield* startWorkers(4, { AI_TICKET_SLOTS: "4" })
        backend.script({ chat: [{ hang: true }], generate: [{ pieces: ['data: {"token":"one"}\n\n'], after: "hang" }] })
        const cancelled = yield* Effect.forkScoped(
          sendEvent(url, event("cancelled"), { headers: { "x-request-id": "mine" } })
        )
        yield* eventually(() => backend.calls.length === 1)
        const cancel = send(url, { method: "DELETE", path: "/requests/mine" })
        assert.strictEqual((yield* cancel).status, 204)
        assert.strictEqual((yield* Fiber.join(cancelled)).status, 409)
        assert.strictEqual((yield* cancel).status, 404)

        const post = (path: string, body: object) =>
          send(url, {
            ...{ method: "POST", path, body: JSON.stringify(body) },
            headers: { "content-type": "application/json" }
          })
        const generated = yield* Effect.forkScoped(post("/api/v1/generate", { prompt: "p", genkey: "KCPP1" }))
        const check = post("/api/extra/generate/check", { genkey: "KCPP1" })
        yield* until(check, ({ text }) => text.includes("one"))
        for (const { text } of yield* times(4, () => check)) assert.include(text, "one")
        const abort = yield* post("/api/extra/abort", { genkey: "KCPP1" })
        assert.deepStrictEqual(jsonIn(abort), { success: "true", done: "true" })
        assert.include((yield* Fiber.join(generated)).text, "one")
        for (const { text } of yield* times(4, () => check)) assert.include(text, "one")
        yield* eventually(() => backend.aborts.length === 2)
      })
    )

    it.effect("are replaced one after the other on SIGHUP, which costs nobody an answer", () =>
      Effect.gen(function* () {
        const { pids, service, url } = yield* startWorkers(3, { AI_TICKET_SLOTS: "4", AI_TICKET_QUEUE_LIMIT: "100" })
        const outcomes: Array<string> = []
        const clients = yield* Effect.forkScoped(clientsInALoop(url, yield* keptAlive, 10, outcomes))
        yield* eventually(() => outcomes.length > 50)
        const old = pids()
        service.child.kill("SIGHUP")
        yield* eventually(() => service.stdout().includes("All workers are new"))
        const since = outcomes.length
        yield* eventually(() => outcomes.length > since + 50)
        assert.deepStrictEqual(distinct(outcomes), ["200"])
        assert.strictEqual(pids().length, 6)
        for (const pid of old) assert.throws(() => process.kill(pid, 0))
        yield* Fiber.interrupt(clients)
        const answered = sampleValue(yield* metricsOf(url), "ai_ticket_http_requests_total", {
          ...{ endpoint: "/event", status: "200" }
        })
        // Those who were interrupted may have been answered.
        assert.isAtLeast(answered ?? 0, outcomes.length)
        assert.isAtMost(answered ?? 0, outcomes.length + 10)
      })
    )

    it.effect("let a stream come to its end when their place is taken", () =>
      Effect.gen(function* () {
        const { backend, pids, service, url } = yield* startWorkers(1, { AI_TICKET_SLOTS: "2" }, ["--reload"])
        const [first = "", ...rest] = streamOf("chat", "one two three")
        backend.script({ chat: [{ pieces: [first], after: "hang" }, {}] })
        const stream = yield* openStream(url, "/event", event("streamed", { stream: true }))
        yield* eventually(() => stream.text().includes('"one"'))
        service.child.kill("SIGHUP")
        yield* eventually(() => pids().length === 2)
        assert.strictEqual((yield* sendEvent(url, event("meanwhile"))).status, 200)
        assert.isFalse(stream.ended())
        for (const piece of rest) backend.feed(piece)
        yield* eventually(() => stream.text().includes('"finish_reason":"stop"'))
        yield* eventually(() => service.stdout().includes("All workers are new"))
        assert.strictEqual(backend.aborts.length, 0)
      })
    )

    it.effect("leave nobody waiting whose connection was on its way to one that is killed", () =>
      Effect.gen(function* () {
        const { pids, url } = yield* startWorkers(2)
        const [stopped = 0] = pids()
        process.kill(stopped, "SIGSTOP")
        const outcomes: Array<"answered" | "closed"> = []
        const asking = Effect.map(Effect.exit(send(url)), (exit) =>
          outcomes.push(Exit.isSuccess(exit) ? "answered" : "closed")
        )
        const all = yield* Effect.forkScoped(times(4, () => asking))
        // The fourth is with the one that doesn't take it.
        yield* eventually(() => outcomes.length === 3)
        process.kill(stopped, "SIGKILL")
        yield* Fiber.join(all)
        assert.deepStrictEqual(outcomes, ["answered", "answered", "answered", "closed"])
      })
    )

    it.effect("stop what the only one has left, as soon as there is another", () =>
      Effect.gen(function* () {
        const { backend, pids, service, url } = yield* startWorkers(1, {}, ["--reload"])
        backend.script({ chat: [{ hang: true }, {}] })
        yield* Effect.forkScoped(Effect.exit(sendEvent(url, event("lost"))))
        yield* eventually(() => backend.calls.length === 1)
        process.kill(pids()[0] ?? 0, "SIGKILL")
        yield* eventually(() => backend.aborts.length === 1)
        assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
        // Without anybody who listens, port 0 is another one.
        const now = [...service.stdout().matchAll(/\bon (http:[^\s"]+)/g)].at(-1)?.[1] ?? ""
        assert.strictEqual((yield* sendEvent(now, event("next"))).status, 200)
        assert.strictEqual(pids().length, 2)
      })
    )

    it.effect("drain together on SIGTERM", () =>
      Effect.gen(function* () {
        const { pids, service, url } = yield* startWorkers(3, { AI_TICKET_SLOTS: "4", AI_TICKET_QUEUE_LIMIT: "100" })
        const outcomes: Array<string> = []
        const clients = yield* Effect.forkScoped(clientsInALoop(url, yield* keptAlive, 12, outcomes))
        yield* eventually(() => outcomes.length > 50)
        service.child.kill("SIGTERM")
        yield* Fiber.join(clients)
        assert.strictEqual(yield* service.exited, 0)
        assert.sameMembers(distinct(outcomes), ["200", "503 shutting_down"])
        for (const pid of pids()) assert.throws(() => process.kill(pid, 0))
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect("drain together on SIGTERM, one that was still loading then too", () =>
      Effect.gen(function* () {
        const { directory } = yield* Program
        const [held, slow] = [join(directory, "held"), join(directory, "slow.mjs")] as const
        writeFileSync(
          slow,
          `import { existsSync } from "node:fs"
           import { setTimeout } from "node:timers/promises"
           if (existsSync(${JSON.stringify(held)})) console.log("loading")
           while (existsSync(${JSON.stringify(held)})) await setTimeout(10)`
        )
        const { service } = yield* startWorkers(2, {}, [], ["--import", pathToFileURL(slow).href])
        writeFileSync(held, "")
        service.child.kill("SIGHUP")
        yield* eventually(() => service.stdout().includes("loading"))
        service.child.kill("SIGTERM")
        yield* eventually(() => service.stdout().split("Draining").length === 3)
        rmSync(held)
        assert.strictEqual(yield* service.exited, 0)
      })
    )

    it.effect("end at once on a second signal", () =>
      Effect.gen(function* () {
        const { backend, pids, service, url } = yield* startWorkers(2)
        backend.script({ chat: [{ hang: true }] })
        yield* Effect.forkScoped(Effect.exit(sendEvent(url, event("waits"))))
        yield* eventually(() => backend.calls.length === 1)
        service.child.kill("SIGTERM")
        yield* until(send(url, { path: "/ready" }), ({ status }) => status === 503)
        service.child.kill("SIGTERM")
        assert.strictEqual(yield* service.exited, 143)
        const gone = (pid: number) => {
          try {
            return !process.kill(pid, 0)
          } catch {
            return true
          }
        }
        yield* eventually(() => pids().every(gone))
      })
    )

    it.effect("are started anew by --reload when the file of backends changes, be it one", () =>
      Effect.gen(function* () {
        const { directory } = yield* Program
        const file = join(directory, "reloaded.json")
        const backend = (name: string) => ({ name, kind: "koboldcpp", url: "http://127.0.0.1:9" })
        writeFileSync(file, JSON.stringify({ backends: [backend("one")] }))
        const { pids, service, url } = yield* startWorkers(1, { AI_TICKET_CONFIG: file }, ["--reload"])
        assert.include((yield* send(url, { path: "/ready" })).text, '"name":"one"')
        writeFileSync(file, JSON.stringify({ backends: [backend("other")] }))
        yield* eventually(() => pids().length === 2)
        yield* until(
          Effect.exit(send(url, { path: "/ready" })),
          (answer) => Exit.isSuccess(answer) && answer.value.text.includes('"name":"other"')
        )
        writeFileSync(file, "no backends")
        yield* eventually(() => service.stdout().includes("A new worker did not come up: the others stay"))
        assert.include((yield* send(url, { path: "/ready" })).text, '"name":"other"')
      })
    )

    it.effect("are replaced when they crash, though the file of backends can't be used any more", () =>
      Effect.gen(function* () {
        const { directory } = yield* Program
        const [file, keyFile] = [join(directory, "broken.yaml"), join(directory, "broken-key")] as const
        const backend = yield* scriptedBackend
        writeFileSync(keyFile, "the-key")
        writeFileSync(file, `backends: [{ name: one, url: '${backend.url}', key: { file: '${keyFile}' } }]\n`)
        const { pids, service, url } = yield* startWorkers(2, { AI_TICKET_CONFIG: file })
        writeFileSync(keyFile, "")
        writeFileSync(file, "no backends")
        const unusable = () => service.stdout().split("AI_TICKET_CONFIG can't be used").length - 1
        yield* eventually(() => unusable() === 2)

        process.kill(pids()[0] ?? 0, "SIGKILL")
        process.kill(pids()[1] ?? 0, "SIGKILL")
        yield* eventually(() => pids().length === 4)
        assert.strictEqual(unusable(), 4)
        const now = [...service.stdout().matchAll(/\bon (http:[^\s"]+)/g)].at(-1)?.[1] ?? url
        for (const { status } of yield* times(4, () => sendEvent(now, event("after")))) assert.strictEqual(status, 200)
        assert.deepStrictEqual(distinct(backend.calls.map(({ headers }) => headers.authorization)), ["Bearer the-key"])
        assert.notInclude(service.stdout(), "the-key")

        // Whoever asks for new workers asks for what the file says now.
        service.child.kill("SIGHUP")
        yield* eventually(() => service.stdout().includes("A new worker did not come up: the others stay"))

        writeFileSync(file, `backends: [{ name: two, url: '${backend.url}' }]\n`)
        yield* eventually(() => service.stdout().split("AI_TICKET_CONFIG was read again: 1 backend").length === 3)
      })
    )

    it.effect(
      "are replaced when they crash, though the file of tokens can't be used any more: with those that were",
      () =>
        Effect.gen(function* () {
          const file = join((yield* Program).directory, "tokens")
          writeFileSync(file, "first-token\n")
          const { pids, service, url } = yield* startWorkers(1, { AI_TICKET_AUTH_TOKEN_FILE: file }, ["--reload"])
          writeFileSync(file, "second-token\n")
          yield* eventually(() => service.stdout().includes("was read again: 1 token"))
          writeFileSync(file, "")
          const unusable = () => service.stdout().split("AI_TICKET_AUTH_TOKEN_FILE can't be used").length - 1
          yield* eventually(() => unusable() === 1)

          process.kill(pids()[0] ?? 0, "SIGKILL")
          yield* eventually(() => pids().length === 2)
          const now = [...service.stdout().matchAll(/\bon (http:[^\s"]+)/g)].at(-1)?.[1] ?? url
          const statusFor = (token: string) =>
            Effect.map(
              sendEvent(now, event("p"), { headers: { authorization: `Bearer ${token}` } }),
              ({ status }) => status
            )
          assert.deepStrictEqual([yield* statusFor("first-token"), yield* statusFor("second-token")], [403, 200])
          assert.strictEqual((yield* sendEvent(now, event("p"))).status, 401)
          assert.strictEqual(unusable(), 2)
          assert.notMatch(service.stdout(), /first-token|second-token/)

          writeFileSync(file, "third-token\n")
          yield* eventually(() => service.stdout().split("was read again: 1 token").length === 3)
          assert.deepStrictEqual([yield* statusFor("second-token"), yield* statusFor("third-token")], [403, 200])
        })
    )

    it.effect("say once why they can't begin", () =>
      Effect.gen(function* () {
        const { url } = yield* startWorkers(2)
        const port = new URL(url).port
        const second = yield* start(["serve", "--port", port, "--workers", "4"])
        assert.strictEqual(yield* second.exited, 1)
        assert.match(
          second.stderr(),
          /^ai-ticket: Can't listen on 127\.0\.0\.1, port \d+: another program listens there\.\n$/
        )
      })
    )
  })
})
