import { Agent, type IncomingMessage, request } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { until } from "../support/Http.ts"
import { clientsInALoop } from "../support/Outcome.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { standingClock } from "../support/StandingClock.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"

/** A service whose scope the test closes itself, as a signal would; with `standing`, its time passes when the test says. */
const setUp = (settings: Record<string, string>, { standing = false } = {}) =>
  Effect.gen(function* () {
    const backend = yield* scriptedBackend
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const clock = yield* standingClock
    const started = Scope.provide(testService({ KOBOLDCPP_API_URL: backend.url, ...settings }), scope)
    const service = yield* standing ? clock.seen(started) : started
    const stop = Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    return { backend, service, stop, pass: clock.pass }
  })

/** An event's answer, from its head on. */
const openEvent = (url: string) =>
  Effect.callback<IncomingMessage>((resume) => {
    const call = request(`${url}/event`, { method: "POST", headers: { "content-type": "application/json" } })
    call.on("response", (response) => resume(Effect.succeed(response)))
    call.end('{"content":"p"}')
  })

const get = (url: string) => Effect.promise(() => fetch(url))

/** One in use, and so many waiting. */
const isLine = (queue: unknown, waiting: number) =>
  JSON.stringify(queue).startsWith(`{"waiting":${waiting},"in_use":1,`)

describe("draining", () => {
  it.live("turns readiness, refuses new work, lets work in hand and in line end, then stops listening", () =>
    Effect.gen(function* () {
      const { backend, service, stop } = yield* setUp({ AI_TICKET_QUEUE_LIMIT: "10" })
      backend.script({ chat: [{ hang: true }, {}] })
      const accepted = yield* Effect.forEach(Array.from({ length: 5 }), () =>
        Effect.forkChild(Effect.flatMap(postEvent(service.url, { content: "p" }), jsonOf))
      )
      yield* eventually(() => backend.calls.length === 1)
      yield* until(Effect.flatMap(get(`${service.url}/ready`), jsonOf), ({ queue }) => isLine(queue, 4))

      const stopping = yield* stop
      const ready = yield* get(`${service.url}/ready`)
      assert.strictEqual(ready.status, 503)
      assert.strictEqual((yield* jsonOf(ready))["draining"], true)
      const health = yield* get(`${service.url}/health`)
      assert.strictEqual(health.status, 200)
      assert.deepStrictEqual(yield* jsonOf(health), { status: "healthy", shutdown_initiated: true })
      const late = yield* postEvent(service.url, { content: "late" })
      assert.strictEqual(late.status, 503)
      assert.strictEqual(late.headers.get("connection"), "close")
      assert.strictEqual((yield* jsonOf(late))["error"], "shutting_down")

      backend.release()
      for (const fiber of accepted) assert.strictEqual((yield* Fiber.join(fiber))["completion"], "from chat")
      yield* Fiber.join(stopping)
      assert.strictEqual(backend.calls.length, 5)
      const refused = yield* Effect.exit(Effect.tryPromise(() => fetch(`${service.url}/health`)))
      assert.isTrue(Exit.isFailure(refused))
    })
  )

  it.live("cancels what outlives the grace period: an answer for the caller, an abort for the backend", () =>
    Effect.gen(function* () {
      const { backend, service, stop } = yield* setUp({ AI_TICKET_SHUTDOWN_GRACE_SECONDS: "0.2" })
      backend.script({ chat: [{ hang: true }] })
      const running = yield* Effect.forkChild(postEvent(service.url, { content: "p" }))
      yield* eventually(() => backend.calls.length === 1)
      const waiting = yield* Effect.forkChild(postEvent(service.url, { content: "q" }))
      yield* until(Effect.flatMap(get(`${service.url}/ready`), jsonOf), ({ queue }) => isLine(queue, 1))
      yield* Fiber.join(yield* stop)
      for (const fiber of [running, waiting]) {
        const response = yield* Fiber.join(fiber)
        assert.strictEqual(response.status, 503)
        assert.strictEqual((yield* jsonOf(response))["error"], "shutting_down")
      }
      assert.deepStrictEqual(
        backend.aborts.map(({ genkey }) => genkey),
        backend.calls.map(({ body }) => body["genkey"])
      )
    })
  )

  it.live("lets a slow reader have the whole of its answer", () =>
    Effect.gen(function* () {
      const { backend, pass, service, stop } = yield* setUp({}, { standing: true })
      const length = 12 * 1024 * 1024
      backend.script({ chat: [{ body: { choices: [{ message: { content: "x".repeat(length) } }] } }] })
      const response = yield* openEvent(service.url)
      const stopping = yield* stop
      const chunks: AsyncIterator<Buffer> = response[Symbol.asyncIterator]()
      let received = 0
      while (true) {
        const { done, value } = yield* Effect.promise(() => chunks.next())
        if (done === true) break
        received += value.length
        // All in all longer than the linger and the closing of connections take together.
        yield* pass("20 millis")
      }
      assert.isAbove(received, length)
      yield* until(
        Effect.andThen(pass("1 second"), Effect.sync(stopping.pollUnsafe.bind(stopping))),
        Predicate.isNotUndefined
      )
    })
  )

  it.live("under load: every request is answered, and none is reset", () =>
    Effect.gen(function* () {
      const { backend, service, stop } = yield* setUp({ AI_TICKET_SLOTS: "4", AI_TICKET_QUEUE_LIMIT: "1000" })
      const agent = new Agent({ keepAlive: true })
      yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
      const outcomes: Array<string> = []
      const clients = yield* Effect.forkChild(clientsInALoop(service.url, agent, 20, outcomes))
      yield* eventually(() => outcomes.length > 100)
      yield* Fiber.join(yield* stop)
      yield* Fiber.join(clients)
      // Nobody met a reset or a closed port: each client asked until it was told to go elsewhere.
      assert.strictEqual(outcomes.filter((outcome) => outcome === "503 shutting_down").length, 20)
      assert.strictEqual(outcomes.filter((outcome) => outcome === "200").length, outcomes.length - 20)
      const accepted = service.lines.filter((line) => line.includes('"route":"/event"'))
      assert.strictEqual(outcomes.length, accepted.length)
      assert.strictEqual(backend.aborts.length, 0)
    })
  )
})
