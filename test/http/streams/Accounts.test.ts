import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Metrics } from "../../../src/services/Metrics.ts"
import { atRest } from "../../support/AtRest.ts"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { parseMetrics, sampleValue } from "../../support/Prometheus.ts"
import { Running, running } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

const counters = {
  delivered: ["generated_tokens_total", { fate: "delivered" }],
  wasted: ["generated_tokens_total", { fate: "wasted" }],
  read: ["tokens_total", { direction: "input" }],
  written: ["tokens_total", { direction: "output" }],
  aborts: ["backend_aborts_total", { outcome: "heard" }],
  succeeded: ["backend_attempts_total", { outcome: "success" }],
  aborted: ["backend_attempts_total", { outcome: "aborted" }],
  broken: ["backend_attempts_total", { outcome: "api_connection_error" }],
  firstTokens: ["time_to_first_token_seconds_count", {}],
  brokenStreams: ["http_broken_streams_total", { code: "api_connection_error" }],
  lateStreams: ["http_broken_streams_total", { code: "deadline_exceeded" }]
} as const satisfies Record<string, readonly [string, Record<string, string>]>

type Counts = Readonly<Record<keyof typeof counters, number>>

const countsNow = Effect.fnUntraced(function* ({ endpoint, path }: Surface) {
  const { context } = yield* Running
  const samples = parseMetrics(yield* Context.get(context, Metrics).render)
  const count = ([name, labels]: readonly [string, Record<string, string>]) =>
    sampleValue(samples, `ai_ticket_${name}`, {
      ...(name.startsWith("http_") ? { endpoint: path } : { backend: "koboldcpp" }),
      ...(name === "backend_attempts_total" ? { endpoint } : {}),
      ...labels
    }) ?? 0
  return Object.fromEntries(Object.entries(counters).map(([key, counter]) => [key, count(counter)])) as Counts
})

/** What one request adds to the counters, nothing left out, and its line in the log. */
const accountOf = <R>(surface: Surface, step: Step, ask: Effect.Effect<void, never, R>) =>
  Effect.gen(function* () {
    const { backend, context, lines } = yield* Running
    const before = yield* countsNow(surface)
    const logged = lines.length
    backend.script({ [surface.endpoint]: [step] })
    yield* ask
    yield* atRest(context)
    const after = yield* countsNow(surface)
    const added = Object.entries(after).map(([key, count]) => [key, count - before[key as keyof Counts]] as const)
    yield* eventually(() => lines.length > logged)
    const line = lines.slice(logged).find((entry) => entry.includes('"message":"request"')) ?? "{}"
    const { duration_ms, error, route, status } = JSON.parse(line)
    return {
      added: Object.fromEntries(added.filter(([, count]) => count !== 0)),
      line: { error, route, status },
      duration_ms
    }
  })

const read = (surface: Surface, headers: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { url } = yield* Running
    yield* postRaw(url, surface.path, surface.request, headers)
  })

layer(running(), { excludeTestServices: true })("the account of a stream", (it) => {
  for (const surface of surfaces) {
    const route = surface.path

    it.effect(`of ${surface.name} that came to its end`, () =>
      Effect.gen(function* () {
        const pieces = dialectStream("1.104", surface.endpoint, ["a", " b", " c"])
        const { added, line } = yield* accountOf(surface, { pieces }, read(surface))
        assert.deepStrictEqual(added, { delivered: 3, succeeded: 1, firstTokens: 1 })
        assert.deepStrictEqual(line, { error: undefined, route, status: 200 })
      })
    )

    // KoboldCpp's own kind of stream tells no usage.
    if (surface.endpoint !== "generate")
      it.effect(`of ${surface.name} whose backend counts`, () =>
        Effect.gen(function* () {
          const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }
          const pieces = [
            ...dialectStream("1.104", surface.endpoint, ["a", ""]).map((piece) =>
              piece.replace("data: [DONE]\n\n", "")
            ),
            `data: ${JSON.stringify({ choices: [], usage })}\n\n`
          ]
          const { added } = yield* accountOf(surface, { pieces }, read(surface))
          assert.deepStrictEqual(added, { delivered: 7, read: 5, written: 7, succeeded: 1, firstTokens: 1 })
        })
      )

    it.effect(`of ${surface.name} whose client left: what it got, and what was generated for nobody`, () =>
      Effect.gen(function* () {
        const step = { pieces: beginningOf(surface, ["a", " b"]), after: "hang", generated: "a b c d e" } as const
        const { url } = yield* Running
        const leave = Effect.scoped(
          Effect.gen(function* () {
            const client = yield* openStream(url, surface.path, surface.request)
            yield* eventually(() => surface.read(client.text()).text === "a b")
          })
        )
        const { added, line } = yield* accountOf(surface, step, leave)
        assert.deepStrictEqual(added, { delivered: 2, wasted: 3, aborts: 1, aborted: 1, firstTokens: 1 })
        assert.deepStrictEqual(line, { error: "client_closed_request", route, status: 499 })
      })
    )

    it.effect(`of ${surface.name} whose backend puts several tokens into one event, and that nobody reads on`, () =>
      Effect.gen(function* () {
        const step = { pieces: beginningOf(surface, ["a b c"]), after: "hang", generated: "a b c d e" } as const
        const { added } = yield* accountOf(surface, step, read(surface, { "x-request-timeout": "0.1" }))
        assert.strictEqual(added["wasted"], 2)
      })
    )

    it.effect(`of ${surface.name} that broke off`, () =>
      Effect.gen(function* () {
        const step = { pieces: beginningOf(surface, ["a", " b"]), after: "reset", generated: "a b c" } as const
        const { added, line } = yield* accountOf(surface, step, read(surface))
        assert.deepStrictEqual(added, {
          ...{ delivered: 2, wasted: 1, aborts: 1, broken: 1, firstTokens: 1 },
          brokenStreams: 1
        })
        assert.deepStrictEqual(line, { error: "api_connection_error", route, status: 200 })
      })
    )

    it.effect(`of ${surface.name} that used up its time, whose line tells all of it`, () =>
      Effect.gen(function* () {
        const step = { pieces: beginningOf(surface, ["a"]), after: "hang", generated: "a" } as const
        const { added, duration_ms, line } = yield* accountOf(
          surface,
          step,
          read(surface, { "x-request-timeout": "0.1" })
        )
        assert.deepStrictEqual(added, { delivered: 1, aborts: 1, aborted: 1, firstTokens: 1, lateStreams: 1 })
        assert.deepStrictEqual(line, { error: "deadline_exceeded", route, status: 200 })
        assert.isAtLeast(duration_ms, 100)
      })
    )

    it.effect(`of ${surface.name} that got no token`, () =>
      Effect.gen(function* () {
        const step = { pieces: [], after: "hang", generated: "" } as const
        const { added, line } = yield* accountOf(surface, step, read(surface, { "x-request-timeout": "0.1" }))
        assert.deepStrictEqual(added, { aborts: 1, aborted: 1 })
        assert.deepStrictEqual(line, { error: "deadline_exceeded", route, status: 504 })
      })
    )

    it.effect(`of ${surface.name} in its head: the time up to its first token`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        backend.script({})
        const { headers } = yield* postRaw(url, surface.path, surface.request)
        const timing = headers.get("server-timing") ?? ""
        const [queue, spent, total] = [...timing.matchAll(/dur=([\d.]+)/g)].map(([, millis]) => Number(millis))
        assert.isAbove(spent ?? 0, 0)
        assert.isAtMost((queue ?? 0) + (spent ?? 0), (total ?? 0) + 0.01)
      })
    )
  }
})
