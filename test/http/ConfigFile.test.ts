import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { deafPort } from "../support/DeafPort.ts"
import { send, until } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { postRaw } from "../support/Sse.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const setUp = Effect.gen(function* () {
  const path = join(yield* folder, "backends.yaml")
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  const [one, other] = [yield* scriptedBackend, yield* scriptedBackend]
  const entry = (name: string, url: string, more = "") => `  - name: ${name}\n    url: ${url}\n${more}`
  return { path, write, one, other, entry }
})

const answeredBy = (url: string, event: object = { content: "p" }) =>
  Effect.map(Effect.flatMap(postEvent(url, event), jsonOf), (body) => body["backend"])

describe("a file of backends", () => {
  it.live("names them, holds their keys elsewhere, and routes by model", () =>
    Effect.gen(function* () {
      const { entry, one, other, path, write } = yield* setUp
      write(
        `backends:\n${entry("big", one.url, "    key: { env: BIG_KEY }\n    model: big-model\n")}` +
          `${entry("small", other.url, "    priority: 2\n")}routes:\n  - { models: ["tiny*"], backends: [small, big] }\n`
      )
      const service = yield* testService({ AI_TICKET_CONFIG: path, BIG_KEY: "open-sesame" })
      assert.strictEqual(yield* answeredBy(service.url), "big")
      assert.strictEqual(one.calls[0]?.headers.authorization, "Bearer open-sesame")
      assert.strictEqual(one.calls[0]?.body["model"], "big-model")
      assert.strictEqual(yield* answeredBy(service.url, { content: { prompt: "p", model: "tiny-1" } }), "small")
      assert.strictEqual(other.calls[0]?.body["model"], "tiny-1")
      other.script({ chat: [{ status: 400 }], completion: [{ status: 400 }], generate: [{ status: 400 }] })
    })
  )

  it.live("keeps the path of a server that isn't KoboldCpp, even if it ends like KoboldCpp's", () =>
    Effect.gen(function* () {
      const { entry, one, path, write } = yield* setUp
      assert.match(one.url, /\/api$/)
      write(`backends:\n${entry("other", one.url, "    kind: openai\n")}`)
      one.tell({ "/api/chat/completions": { body: { choices: [{ message: { content: "here" } }] } } })
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      const { completion } = yield* Effect.flatMap(postEvent(service.url, { content: "p" }), jsonOf)
      assert.strictEqual(completion, "here")
    })
  )

  it.live("says of each backend how long a connection to it may take", () =>
    Effect.gen(function* () {
      const { entry, path, write } = yield* setUp
      const url = yield* deafPort
      const within = (seconds: number) => `    timeouts: { connect_seconds: ${seconds} }\n`
      write(
        `backends:\n${entry("hasty", url, within(0.1))}${entry("patient", url, within(0.3))}routes:\n` +
          ["hasty", "patient"].map((name) => `  - { models: [${name}], backends: [${name}] }\n`).join("")
      )
      const none = { AI_TICKET_RETRY_BUDGET_PERCENT: "0", AI_TICKET_RETRY_BUDGET_PER_SECOND: "0" }
      const service = yield* testService({ AI_TICKET_CONFIG: path, ...none })
      const detailsFor = (model: string) =>
        Effect.flatMap(postEvent(service.url, { content: { prompt: "p", model } }), jsonOf).pipe(
          Effect.map((body) => body["details"])
        )
      assert.strictEqual(yield* detailsFor("hasty"), "hasty, chat: no connection within 0.1 seconds")
      assert.strictEqual(yield* detailsFor("patient"), "patient, chat: no connection within 0.3 seconds")
    })
  )

  it.live("says of each backend for how long a stream that has begun may be silent", () =>
    Effect.gen(function* () {
      const { entry, one, other, path, write } = yield* setUp
      const openAi = "    kind: openai\n    timeouts: { silence_seconds: 0.2 }\n"
      write(
        `backends:\n${entry("kobold", one.url, "    timeouts: { silence_seconds: 0.2 }\n")}` +
          `${entry("other", `${other.url}/v1`, openAi)}routes:\n  - { models: [other], backends: [other] }\n` +
          "  - { models: ['*'], backends: [kobold] }\n"
      )
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      for (const [backend, model] of [[one, "kobold"] as const, [other, "other"] as const]) {
        backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "hang" }, {}] })
        const { text } = yield* postRaw(service.url, "/event", { content: { prompt: "p", model }, stream: true })
        assert.include(text, 'data: {"delta":"one","done":false}')
        assert.match(text, /data: \{"error":"api_connection_error",[^\n]*"done":true\}\n\n$/)
        yield* eventually(() => backend.calls[0]?.closedEarlyAt !== undefined)
        // Its slot is another's.
        assert.strictEqual(yield* answeredBy(service.url, { content: { prompt: "p", model } }), model)
      }
      assert.deepStrictEqual(
        one.aborts.map(({ genkey }) => genkey),
        [one.calls[0]?.body["genkey"]]
      )
      const samples = parseMetrics((yield* send(service.url, { path: "/metrics" })).text)
      const outcome = { endpoint: "chat", outcome: "api_connection_error" }
      assert.strictEqual(sampleValue(samples, "ai_ticket_backend_attempts_total", { ...outcome, backend: "kobold" }), 1)
    })
  )

  it.live("gives each backend as many connections as it has slots, whatever the other settings say", () =>
    Effect.gen(function* () {
      const { entry, one, path, write } = yield* setUp
      write(`backends:\n${entry("one", one.url, "    slots: 30\n")}`)
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      one.script({ chat: [{ hang: true }] })
      const inFlight = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.forkChild(answeredBy(service.url))
      )
      yield* eventually(() => one.calls.length === 30)
      one.release()
      yield* Fiber.joinAll(inFlight)
    })
  )

  it.live("is applied when it changes, while what is in flight finishes on what it began with", () =>
    Effect.gen(function* () {
      const { entry, one, other, path, write } = yield* setUp
      write(`backends:\n${entry("one", one.url)}`)
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      one.script({ chat: [{ hang: true }] })
      const inFlight = yield* Effect.forkChild(answeredBy(service.url))
      yield* eventually(() => one.calls.length === 1)
      write(`backends:\n${entry("other", other.url)}`)
      yield* eventually(() => service.lines.some((line) => line.includes("was read again: 1 backend")))
      assert.strictEqual(yield* answeredBy(service.url), "other")
      one.release()
      assert.strictEqual(yield* Fiber.join(inFlight), "one")
    })
  )

  it.live("takes the series of a backend out of the metrics that is in it no more, once it has done its work", () =>
    Effect.gen(function* () {
      const { entry, one, other, path, write } = yield* setUp
      write(`backends:\n${entry("kept", other.url, "    priority: 2\n")}${entry("gone", one.url)}`)
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      const backends = Effect.map(send(service.url, { path: "/metrics" }), ({ text }) => [
        ...new Set(parseMetrics(text).flatMap(({ labels }) => labels["backend"] ?? []))
      ])
      const reloads = () => service.lines.filter((line) => line.includes("was read again: 1 backend")).length
      assert.strictEqual(yield* answeredBy(service.url), "gone")
      one.script({ chat: [{ hang: true }] })
      const inFlight = yield* Effect.forkChild(answeredBy(service.url))
      yield* eventually(() => one.calls.length === 2)
      write(`backends:\n${entry("kept", other.url)}`)
      yield* eventually(() => reloads() === 1)
      assert.strictEqual(yield* answeredBy(service.url), "kept")
      assert.sameMembers(yield* backends, ["kept", "gone"])
      one.release()
      assert.strictEqual(yield* Fiber.join(inFlight), "gone")
      yield* until(backends, (names) => !names.includes("gone"))
      assert.sameMembers(yield* backends, ["kept"])

      // Another of the same name goes on counting where the one before it stood.
      write(`backends:\n${entry("kept", other.url, "    weight: 2\n")}`)
      yield* eventually(() => reloads() === 2)
      assert.strictEqual(yield* answeredBy(service.url), "kept")
      const samples = parseMetrics((yield* send(service.url, { path: "/metrics" })).text)
      assert.strictEqual(
        sampleValue(samples, "ai_ticket_backend_attempts_total", { endpoint: "chat", outcome: "success" }),
        2
      )
    })
  )

  it.live("that says something else of a busy backend gives it no more than its slots", () =>
    Effect.gen(function* () {
      const { entry, one, path, write } = yield* setUp
      write(`backends:\n${entry("one", one.url)}`)
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      one.script({ chat: [{ hang: true }, {}] })
      const inFlight = yield* Effect.forkChild(answeredBy(service.url))
      yield* eventually(() => one.calls.length === 1)
      write(`backends:\n${entry("one", one.url, "    weight: 2\n")}`)
      yield* eventually(() => service.lines.some((line) => line.includes("was read again: 1 backend")))
      const waiting = yield* Effect.forkChild(answeredBy(service.url))
      const ready = Effect.map(send(service.url, { path: "/ready" }), ({ text }) => text)
      yield* until(ready, (text) => text.includes('"waiting":1') || one.calls.length > 1)
      assert.strictEqual(one.calls.length, 1)
      one.release()
      assert.deepStrictEqual([yield* Fiber.join(inFlight), yield* Fiber.join(waiting)], ["one", "one"])
    })
  )

  it.live("changes nothing when it can't be used, and the log says why", () =>
    Effect.gen(function* () {
      const { entry, one, path, write } = yield* setUp
      write(`backends:\n${entry("one", one.url)}`)
      const service = yield* testService({ AI_TICKET_CONFIG: path })
      write(`backends:\n${entry("one", "nowhere")}`)
      yield* eventually(() => service.lines.some((line) => line.includes("backends[0].url: ")))
      assert.strictEqual(yield* answeredBy(service.url), "one")
    })
  )

  it.live("that can't be used at the start stops it, with everything that is wrong", () =>
    Effect.gen(function* () {
      const { path, write } = yield* setUp
      write("backends:\n  - name: one\n    slots: none\n")
      const error = yield* Effect.flip(testService({ AI_TICKET_CONFIG: path }))
      assert.include(error.message, "AI_TICKET_CONFIG")
      for (const place of ["backends[0].url", "backends[0].slots"]) assert.include(error.message, place)
    })
  )
})
