import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { RouteEntry } from "../../src/domain/Configuration.ts"
import { failsWith, type Outcome, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { from, inferenceOver, named } from "../support/PoolHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const greedy = { prompt: "p", temperature: 0 }

const over = Effect.fnUntraced(function* (
  route: Partial<RouteEntry>,
  outcomes: ReadonlyArray<Outcome> = [Effect.delay(says("yes"), "1 second")],
  settings: Readonly<Record<string, string>> = {}
) {
  const backend = named("a", { chat: outcomes })
  const routes = [{ models: ["*"], backends: ["a"], ...route }] as const
  const inference = yield* inferenceOver([{ backend: backend.backend, slots: 8 }], routes, settings)
  return { ...inference, ...backend }
})

describe("equal requests in flight", () => {
  it.effect("share one generation where the route says so", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* over({ coalesce: true })
      const client = from("1.1.1.1")
      const fibers = yield* Effect.forEach([1, 2, 3], () => forked(client.being(ask(greedy))))
      yield* TestClock.adjust("1 second")
      const answers = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(new Set(answers.map(({ text }) => text)), new Set(["yes"]))
      assert.strictEqual(new Set(answers.map(({ id }) => id)).size, 3)
      assert.strictEqual(attempts.length, 1)
    })
  )

  it.effect("don't where it doesn't, where chance has a say, or where one says no-store", () =>
    Effect.gen(function* () {
      for (const [route, content, options] of [
        [{}, greedy, {}],
        [{ coalesce: true }, { prompt: "p" }, {}],
        [{ coalesce: true }, greedy, { cacheControl: "no-store" }]
      ] as const) {
        const { ask, attempts } = yield* over(route)
        const fibers = [yield* forked(ask(content, options)), yield* forked(ask(content, options))]
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(attempts.length, 2)
      }
    })
  )

  it.effect("are each client's own, unless the route shares between all", () =>
    Effect.gen(function* () {
      for (const [share, generations] of [
        ["client", 2],
        ["all", 1]
      ] as const) {
        const { ask, attempts } = yield* over({ coalesce: true, share })
        const [one, other] = [from("1.1.1.1"), from("1.1.1.2")]
        const fibers = [yield* forked(one.being(ask(greedy))), yield* forked(other.being(ask(greedy)))]
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(attempts.length, generations)
        assert.deepStrictEqual([one.record.cache, other.record.cache], ["miss", share === "all" ? "joined" : "miss"])
      }
    })
  )

  it.effect("have each their own time, and go on without whoever leaves", () =>
    Effect.gen(function* () {
      const { ask, attempts, interrupted } = yield* over({ coalesce: true })
      const hasty = yield* forked(Effect.flip(ask(greedy, { timeout: "100 millis" })))
      const patient = yield* forked(ask(greedy))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(hasty))._tag, "DeadlineExceeded")
      yield* TestClock.adjust("900 millis")
      assert.strictEqual((yield* Fiber.join(patient)).text, "yes")
      assert.deepStrictEqual([attempts.length, interrupted.length], [1, 0])
    })
  )

  it.effect("are aborted when the last one leaves", () =>
    Effect.gen(function* () {
      const { ask, interrupted, line } = yield* over({ coalesce: true })
      const [one, other] = [yield* forked(ask(greedy)), yield* forked(ask(greedy))]
      yield* Fiber.interrupt(one)
      assert.deepStrictEqual([interrupted.length, yield* line.inUse], [0, 1])
      yield* Fiber.interrupt(other)
      assert.deepStrictEqual([interrupted.length, yield* line.inUse], [1, 0])
    })
  )

  it.effect("are no more than may wait in line", () =>
    Effect.gen(function* () {
      const { ask } = yield* over({ coalesce: true }, undefined, { AI_TICKET_QUEUE_LIMIT: "1" })
      const [first, joined] = [yield* forked(ask(greedy)), yield* forked(ask(greedy))]
      assert.strictEqual((yield* Effect.flip(ask(greedy)))._tag, "Overloaded")
      yield* Fiber.interrupt(joined)
      const next = yield* forked(ask(greedy))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Fiber.joinAll([first, next])).map(({ text }) => text),
        ["yes", "yes"]
      )
    })
  )

  it.effect("fail together, and the next one asks anew", () =>
    Effect.gen(function* () {
      const refused = Effect.delay(failsWith("api_client_error", "give up"), "1 second")
      const { ask, attempts } = yield* over({ coalesce: true }, [refused, says("yes")])
      const fibers = yield* Effect.forEach([1, 2], () => forked(Effect.flip(ask(greedy))))
      yield* TestClock.adjust("1 second")
      const errors = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(
        errors.map(({ code }) => code),
        ["api_client_error", "api_client_error"]
      )
      assert.strictEqual((yield* ask(greedy)).text, "yes")
      assert.strictEqual(attempts.length, 2)
    })
  )

  it.effect("don't make an urgent one wait for what waits with less priority", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* over({ coalesce: true })
      const urgent = from("1.1.1.1")
      urgent.record.priority = "high"
      const fibers = [yield* forked(from("1.1.1.1").being(ask(greedy))), yield* forked(urgent.being(ask(greedy)))]
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
      assert.strictEqual(attempts.length, 2)
    })
  )

  it.effect("count the time of whoever joined as the backend's", () =>
    Effect.gen(function* () {
      const { ask } = yield* over({ coalesce: true })
      const [first, second] = [from("1.1.1.1"), from("1.1.1.1")]
      const one = yield* forked(first.being(ask(greedy)))
      yield* TestClock.adjust("400 millis")
      const other = yield* forked(second.being(ask(greedy)))
      yield* TestClock.adjust("600 millis")
      yield* Fiber.joinAll([one, other])
      assert.deepStrictEqual([first.record.backendMillis, second.record.backendMillis], [1000, 600])
    })
  )
})

const cache = { max_entries: 10, max_age_seconds: 60, max_bytes: 100_000 }
const finished = says("yes", { finishReason: "stop" })

describe("an answer that was given", () => {
  it.effect("is given again to equal requests of its client until it is too old", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* over({ cache }, [finished, says("anew", { finishReason: "stop" })])
      const [one, other] = [from("1.1.1.1"), from("1.1.1.2")]
      assert.strictEqual((yield* one.being(ask(greedy))).text, "yes")
      yield* TestClock.adjust("59 seconds")
      const again = yield* one.being(ask(greedy))
      assert.deepStrictEqual([again.text, one.record.cache, attempts.length], ["yes", "hit", 1])
      assert.strictEqual((yield* other.being(ask(greedy))).text, "anew")
      assert.strictEqual(other.record.cache, "miss")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* one.being(ask(greedy))).text, "anew")
      assert.deepStrictEqual([one.record.cache, attempts.length], ["miss", 3])
    })
  )

  it.effect("takes no slot and doesn't wait for one", () =>
    Effect.gen(function* () {
      const { ask, line } = yield* over({ cache }, [finished, Effect.never])
      yield* ask(greedy)
      const others = yield* Effect.forEach(Array.from({ length: 9 }), () => forked(ask("another")))
      assert.deepStrictEqual([yield* line.inUse, yield* line.waiting], [8, 1])
      assert.strictEqual((yield* ask(greedy)).text, "yes")
      yield* Fiber.interruptAll(others)
    })
  )

  it.effect("is everybody's where the route says so", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* over({ cache, share: "all" }, [finished])
      yield* from("1.1.1.1").being(ask(greedy))
      const other = from("1.1.1.2")
      yield* other.being(ask(greedy))
      assert.deepStrictEqual([other.record.cache, attempts.length], ["hit", 1])
    })
  )

  it.effect("is not kept if it failed, isn't known to be complete, or is a matter of chance", () =>
    Effect.gen(function* () {
      for (const [outcome, content] of [
        [failsWith("api_client_error", "give up"), greedy],
        [says("half"), greedy],
        [finished, { prompt: "p" }]
      ] as const) {
        const { ask, attempts } = yield* over({ cache }, [outcome])
        yield* Effect.exit(ask(content))
        yield* Effect.exit(ask(content))
        assert.strictEqual(attempts.length, 2)
      }
    })
  )

  it.effect("is not taken with no-cache, which keeps the new one, nor with no-store, which keeps none", () =>
    Effect.gen(function* () {
      const numbered = [1, 2, 3].map((number) => says(`answer ${number}`, { finishReason: "stop" }))
      const { ask } = yield* over({ cache, coalesce: true }, numbered)
      const text = (cacheControl?: "no-cache" | "no-store") =>
        Effect.map(ask(greedy, cacheControl === undefined ? {} : { cacheControl }), (answer) => answer.text)
      const texts = [yield* text(), yield* text("no-cache"), yield* text(), yield* text("no-store"), yield* text()]
      assert.deepStrictEqual(texts, ["answer 1", "answer 2", "answer 2", "answer 3", "answer 2"])
    })
  )

  it.effect("is forgotten when its route changes or a backend of it does, and not when others do", () =>
    Effect.gen(function* () {
      const { ask, attempts, backend, backends } = yield* over({ cache }, [finished])
      const route = { models: ["*"], backends: ["a"], cache } as const
      const elsewhere = { models: ["b*"], backends: ["b"] } as const
      const b = named("b", {}).backend
      const plan = (route: RouteEntry, fingerprint: string) => ({
        lanes: [
          { backend, slots: 8, fingerprint },
          { backend: b, slots: 1 }
        ] as const,
        routes: [elsewhere, route]
      })
      const attemptsAfter = (next: ReturnType<typeof plan>) =>
        Effect.as(Effect.andThen(backends.apply(next), ask(greedy)), attempts).pipe(Effect.map(({ length }) => length))
      assert.strictEqual(yield* attemptsAfter(plan(route, "one")), 1)
      assert.strictEqual(yield* attemptsAfter(plan({ ...route }, "one")), 1)
      assert.strictEqual(yield* attemptsAfter(plan({ ...route, cache: { ...cache, max_entries: 11 } }, "one")), 2)
      assert.strictEqual(yield* attemptsAfter(plan({ ...route, cache: { ...cache, max_entries: 11 } }, "two")), 3)
    })
  )
})

describe("the metrics", () => {
  it.effect("tell where each answer came from, on routes that share theirs and on no others", () =>
    Effect.gen(function* () {
      const slow = Effect.delay(says("yes", { finishReason: "stop" }), "1 second")
      const { ask, metrics } = yield* over({ models: ["shared"], coalesce: true, cache }, [slow])
      const asked = { ...greedy, model: "shared" }
      const fibers = [
        ...(yield* Effect.forEach([1, 2, 3], () => forked(ask(asked)))),
        yield* forked(ask({ ...asked, temperature: 1 })),
        yield* forked(ask(asked, { cacheControl: "no-store" })),
        yield* forked(ask(greedy))
      ]
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
      yield* ask(asked)
      const samples = parseMetrics(yield* metrics.render)
      const counted = (source: string) => sampleValue(samples, "ai_ticket_shared_answers_total", { source })
      assert.deepStrictEqual(["hit", "joined", "miss", "bypassed"].map(counted), [1, 2, 1, 2])
    })
  )
})
