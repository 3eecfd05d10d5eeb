import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Generations } from "../../../src/http/kobold/Generations.ts"
import { Lifecycle } from "../../../src/services/Lifecycle.ts"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { jsonIn, until } from "../../support/Http.ts"
import { startService } from "../../support/Running.ts"
import { type Step, scriptedBackend } from "../../support/ScriptedBackend.ts"
import { eventually, testService } from "../../support/TestService.ts"
import { aborted, event, koboldClient, notKnown, over, resultIn } from "./KoboldClient.ts"

/** A service whose backend generates "one", and then nothing until it is fed; two clients, by their tokens. */
const setUp = Effect.fnUntraced(function* (step: Step = { pieces: [event("one")], after: "hang" }) {
  const service = yield* startService({ AI_TICKET_AUTH_TOKEN: "alice-token,bob-token" })
  service.backend.script({ generate: [step] })
  const line = Context.get(service.context, WaitingLine)
  const generations = Context.get(service.context, Generations)
  return {
    backend: service.backend,
    service,
    alice: koboldClient(service, "alice-token"),
    bob: koboldClient(service, "bob-token"),
    /** Everything that a generation may leave behind is gone, but for its text. */
    nothingLeft: Effect.gen(function* () {
      yield* until(Effect.all([line.waiting, line.inUse]), ([waiting, inUse]) => waiting + inUse === 0)
      yield* until(generations.counts, ({ running }) => running === 0)
      yield* eventually(() => service.backend.openConnections() === 0)
    }),
    waitingInLine: (count: number) => until(line.waiting, (waiting) => waiting === count)
  }
})

const kinds = ["generate", "stream"] as const

/** The end of an aborted generation, as each kind tells it. */
const assertCutOff = (kind: (typeof kinds)[number], answer: { status: number; text: string }, text: string) => {
  assert.strictEqual(answer.status, 200)
  if (kind === "stream") assert.strictEqual(answer.text, (text === "" ? "" : event(text)) + event("", "length"))
  else assert.deepInclude(resultIn(answer), { text, finish_reason: "length" })
}

for (const kind of kinds) {
  describe(`${kind}: abort`, () => {
    it.live("in the middle: the text so far, and the backend hears of it", () =>
      Effect.gen(function* () {
        const { alice, backend, nothingLeft } = yield* setUp()
        const answer = yield* Effect.forkScoped(alice[kind]({ genkey: "K" }))
        yield* until(alice.check("K"), (text) => text === "one")
        assert.strictEqual(yield* alice.abort("K"), aborted)
        assertCutOff(kind, yield* Fiber.join(answer), "one")
        yield* nothingLeft
        assert.deepStrictEqual(
          backend.aborts.map(({ genkey }) => genkey),
          [backend.calls[0]?.body["genkey"]]
        )
      })
    )

    it.live("before the first token: no text, and the backend hears of it", () =>
      Effect.gen(function* () {
        const { alice, backend, nothingLeft } = yield* setUp({ pieces: [], after: "hang" })
        const answer = yield* Effect.forkScoped(alice[kind]({ genkey: "K" }))
        yield* eventually(() => backend.calls.length === 1)
        assert.strictEqual(yield* alice.check("K"), "")
        assert.strictEqual(yield* alice.abort("K"), aborted)
        assertCutOff(kind, yield* Fiber.join(answer), "")
        yield* nothingLeft
        assert.strictEqual(backend.aborts.length, 1)
      })
    )

    it.live("in line: no text, the backend never hears of it, and the line goes on", () =>
      Effect.gen(function* () {
        const { alice, backend, bob, nothingLeft, waitingInLine } = yield* setUp()
        const first = yield* Effect.forkScoped(bob.stream({ genkey: "K" }))
        yield* eventually(() => backend.calls.length === 1)
        const answer = yield* Effect.forkScoped(alice[kind]({ genkey: "K" }))
        yield* waitingInLine(1)
        assert.strictEqual(yield* alice.abort("K"), aborted)
        assertCutOff(kind, yield* Fiber.join(answer), "")
        backend.feed(over)
        assert.strictEqual((yield* Fiber.join(first)).text, event("one") + event("", "stop"))
        yield* nothingLeft
        assert.deepStrictEqual([backend.calls.length, backend.aborts.length], [1, 0])
      })
    )

    it.live("leaves nothing behind, however often", () =>
      Effect.gen(function* () {
        const { alice, backend, nothingLeft } = yield* setUp()
        for (let at = 0; at < 12; at++) {
          const answer = yield* Effect.forkScoped(alice[kind]({ genkey: `K${at}` }))
          if (at % 3 > 0) yield* until(alice.check(`K${at}`), (text) => text === "one")
          yield* until(alice.abort(`K${at}`), (answer) => answer === aborted)
          yield* Fiber.join(answer)
        }
        yield* nothingLeft
        backend.script({ generate: [{}] })
        assert.strictEqual((yield* alice[kind]()).status, 200)
      })
    )
  })
}

describe("a key", () => {
  it.live("is its client's own: what another calls the same is neither seen nor ended", () =>
    Effect.gen(function* () {
      const { alice, backend, bob } = yield* setUp()
      const answer = yield* Effect.forkScoped(alice.stream({ genkey: "K" }))
      yield* until(alice.check("K"), (text) => text === "one")
      assert.strictEqual(yield* bob.check("K"), "")
      for (const key of ["K", "", undefined]) assert.strictEqual(yield* bob.abort(key), notKnown)
      backend.feed(over)
      assert.strictEqual((yield* Fiber.join(answer)).text, event("one") + event("", "stop"))
      assert.strictEqual(yield* bob.check("K"), "")
    })
  )

  it.live("shows its text after the end as well, and an abort of it then does no harm", () =>
    Effect.gen(function* () {
      const { alice } = yield* setUp({})
      assert.strictEqual((yield* alice.generate({ genkey: "K" })).status, 200)
      assert.strictEqual(yield* alice.check("K"), " from generate ")
      assert.strictEqual(yield* alice.abort("K"), aborted)
      assert.strictEqual(yield* alice.check("K"), " from generate ")
    })
  )

  it.live("shows the text up to then of a generation that failed, and of one whose client left", () =>
    Effect.gen(function* () {
      const { alice, backend, nothingLeft } = yield* setUp({ pieces: [event("one")], after: "reset" })
      assert.strictEqual((yield* alice.generate({ genkey: "failed" })).status, 502)
      assert.strictEqual(yield* alice.check("failed"), "one")
      backend.script({ generate: [{ pieces: [event("two")], after: "hang" }] })
      const answer = yield* Effect.forkScoped(alice.generate({ genkey: "left" }))
      yield* until(alice.check("left"), (text) => text === "two")
      yield* Fiber.interrupt(answer)
      yield* nothingLeft
      assert.strictEqual(yield* alice.check("left"), "two")
    })
  )

  it.live("that nobody used is not known", () =>
    Effect.gen(function* () {
      const { alice } = yield* setUp()
      assert.strictEqual(yield* alice.check("K"), "")
      for (const key of ["K", "", undefined]) assert.strictEqual(yield* alice.abort(key), notKnown)
    })
  )

  it.live("used twice at once shows the later, and an abort ends both", () =>
    Effect.gen(function* () {
      const { alice, backend, nothingLeft, waitingInLine } = yield* setUp()
      const first = yield* Effect.forkScoped(alice.generate({ genkey: "K" }))
      yield* until(alice.check("K"), (text) => text === "one")
      const second = yield* Effect.forkScoped(alice.generate({ genkey: "K" }))
      yield* waitingInLine(1)
      assert.strictEqual(yield* alice.check("K"), "")
      assert.strictEqual(yield* alice.abort("K"), aborted)
      assertCutOff("generate", yield* Fiber.join(first), "one")
      assertCutOff("generate", yield* Fiber.join(second), "")
      yield* nothingLeft
      assert.strictEqual(backend.aborts.length, 1)
    })
  )

  it.live("that isn't given: what the same client runs without one, and nothing else", () =>
    Effect.gen(function* () {
      const { alice, backend, bob, waitingInLine } = yield* setUp()
      const keyed = yield* Effect.forkScoped(alice.generate({ genkey: "K" }))
      yield* until(alice.check("K"), (text) => text === "one")
      const others = yield* Effect.forkScoped(bob.generate())
      yield* waitingInLine(1)
      const keyless = yield* Effect.forkScoped(alice.generate({ genkey: "" }))
      yield* waitingInLine(2)
      assert.strictEqual(yield* alice.abort(), aborted)
      assertCutOff("generate", yield* Fiber.join(keyless), "")
      yield* waitingInLine(1)
      backend.script({ generate: [{ pieces: [event("two")], after: "hang" }] })
      backend.feed(over)
      assert.deepInclude(resultIn(yield* Fiber.join(keyed)), { text: "one", finish_reason: "stop" })
      yield* until(bob.check(), (text) => text === "two")
      const got = yield* bob.get("/api/extra/generate/check")
      assert.deepStrictEqual(jsonIn(got), { results: [{ text: "two" }] })
      assert.strictEqual(yield* alice.check(), "")
      backend.feed(over)
      assert.strictEqual((yield* Fiber.join(others)).status, 200)
    })
  )

  it.live("belongs to an address where no token is needed", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService({ TRUST_PROXY_COUNT: "1" })
      backend.script({ generate: [{ pieces: [event("one")], after: "hang" }] })
      const at = (address: string) => koboldClient(service, undefined, { "x-forwarded-for": address })
      const [here, there] = [at("198.51.100.1"), at("198.51.100.2")]
      const answer = yield* Effect.forkScoped(here.generate({ genkey: "K" }))
      yield* until(here.check("K"), (text) => text === "one")
      assert.strictEqual(yield* there.check("K"), "")
      assert.strictEqual(yield* there.abort("K"), notKnown)
      assert.strictEqual(yield* here.abort("K"), aborted)
      assertCutOff("generate", yield* Fiber.join(answer), "one")
    })
  )

  const wrong = {
    "a number": '{"genkey":1}',
    "no JSON": "{",
    "a list": "[1]",
    "half a character": '{"genkey":"\\ud800"}'
  }
  for (const [name, body] of Object.entries(wrong)) {
    it.live(`that is ${name} aborts nothing`, () =>
      Effect.gen(function* () {
        const { alice, backend } = yield* setUp()
        const answer = yield* Effect.forkScoped(alice.generate())
        yield* until(alice.check(), (text) => text === "one")
        for (const path of ["/api/extra/abort", "/api/extra/generate/check"]) {
          const refused = yield* alice.post(path, body)
          assert.deepInclude(jsonIn(refused)["detail"], { type: "bad_input" })
        }
        backend.feed(over)
        assert.deepInclude(resultIn(yield* Fiber.join(answer)), { finish_reason: "stop" })
      })
    )
  }
})

it.live("a key is known whichever backend generates", () =>
  Effect.gen(function* () {
    const backends = [yield* scriptedBackend, yield* scriptedBackend]
    for (const backend of backends) backend.script({ generate: [{ pieces: [event("one")], after: "hang" }] })
    const service = yield* testService({ KOBOLDCPP_API_URL: backends.map(({ url }) => url).join(",") })
    const client = koboldClient(service)
    const answers = yield* Effect.forEach(["A", "B"], (genkey) => Effect.forkScoped(client.generate({ genkey })))
    for (const key of ["A", "B"]) yield* until(client.check(key), (text) => text === "one")
    assert.deepStrictEqual(
      backends.map(({ calls }) => calls.length),
      [1, 1]
    )
    for (const key of ["B", "A"]) assert.strictEqual(yield* client.abort(key), aborted)
    for (const answer of answers) assertCutOff("generate", yield* Fiber.join(answer), "one")
    yield* eventually(() => backends.every(({ aborts }) => aborts.length === 1))
    for (const { aborts, calls } of backends) assert.strictEqual(aborts[0]?.genkey, calls[0]?.body["genkey"])
  })
)

it.live("while the service drains, what is in hand can be looked at and aborted", () =>
  Effect.gen(function* () {
    const { alice, service } = yield* setUp()
    const answer = yield* Effect.forkScoped(alice.generate({ genkey: "K" }))
    yield* until(alice.check("K"), (text) => text === "one")
    yield* Effect.forkScoped(Context.get(service.context, Lifecycle).drain)
    const refused = yield* until(alice.generate(), ({ status }) => status === 503)
    assert.deepInclude(jsonIn(refused)["detail"], { error: "shutting_down", type: "service_unavailable" })
    assert.strictEqual(yield* alice.check("K"), "one")
    assert.strictEqual(yield* alice.abort("K"), aborted)
    assertCutOff("generate", yield* Fiber.join(answer), "one")
  })
)
