import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bodyFor } from "../../src/domain/Failure.ts"
import { forked } from "../support/Forked.ts"
import { eventually } from "../support/TestService.ts"
import { batchFiles, resultsIn } from "./BatchFiles.ts"
import { runInProcess } from "./InProcess.ts"
import { type Move, serviceDouble } from "./ServiceDouble.ts"
import { stranger } from "./Stranger.ts"

const failing = (code: Parameters<typeof bodyFor>[0], headers: Record<string, string> = {}): Move => {
  const body = bodyFor(code, "Told so.")
  return { status: body.status_code, body, headers }
}

const ids = (results: ReadonlyArray<Record<string, unknown>>) => results.map(({ id }) => id)
const codes = (results: ReadonlyArray<Record<string, unknown>>) => results.map(({ error }) => error)

describe.concurrent("ai-ticket batch", () => {
  it.live("writes a result for each event to stdout, and a summary to stderr", () =>
    Effect.gen(function* () {
      const { url } = yield* serviceDouble()
      const { input } = yield* batchFiles({ id: "a", content: "x" }, "", { id: 2, content: "y" })
      const { code, stderr, stdout } = yield* runInProcess(["batch", input, "--server-url", url, "--ordered"])
      assert.strictEqual(code, 0)
      assert.strictEqual(
        stdout,
        '{"index":0,"id":"a","completion":"to \\"x\\""}\n{"index":1,"id":2,"completion":"to \\"y\\""}\n'
      )
      assert.match(stderr, /^2 events in [\d.]+ s: 2 ok, 0 failed, 0 skipped\. Tokens: 0 in, 0 out\.\n$/)
    })
  )

  it.live("reads standard input for -, and writes to a file", () =>
    Effect.gen(function* () {
      const { url } = yield* serviceDouble()
      const { output, results } = yield* batchFiles()
      const stdin = '{"id":1,"content":"x"}\n{"id":2,"content":"no line feed"}'
      const { code, stdout } = yield* runInProcess(["batch", "-", "--output", output, "--server-url", url], { stdin })
      assert.deepStrictEqual([code, stdout], [0, ""])
      assert.sameMembers([...ids(results())], [1, 2])
    })
  )

  it.live("writes the results as they come", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(({ content }) => ({ hang: content === "slow" }))
      const { input, output, written } = yield* batchFiles({ id: 0, content: "slow" }, { id: 1, content: "quick" })
      const running = yield* forked(runInProcess(["batch", input, "--output", output, "--server-url", service.url]))
      yield* eventually(() => service.open() === 1 && written().includes('"id":1'))
      service.release()
      assert.strictEqual((yield* Fiber.join(running)).code, 0)
      assert.deepStrictEqual(ids(resultsIn(written())), [1, 0])
    })
  )

  it.live("writes them in the order of the events with --ordered", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(({ id }) => ({ hang: id === 0 }))
      const events = Array.from({ length: 20 }, (_, id) => ({ id, content: "p" }))
      const { input, output, results } = yield* batchFiles(...events)
      const args = ["batch", input, "--output", output, "--server-url", service.url, "--ordered", "--concurrency", "4"]
      const running = yield* forked(runInProcess(args))
      yield* eventually(() => service.open() === 1 && service.asked.length === 4)
      service.release()
      yield* Fiber.join(running)
      assert.deepStrictEqual(
        ids(results()),
        events.map(({ id }) => id)
      )
    })
  )

  it.live("asks with the flags' values where an event has none of its own, and never for a stream", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const { input } = yield* batchFiles(
        { id: 0, content: "plain" },
        { id: 1, content: { prompt: "inner", temperature: 0.1, stream: true }, max_tokens: 9, stream: true }
      )
      const flags = [
        "--temperature",
        "0.5",
        "--max-tokens",
        "7",
        "--stop",
        "END",
        "--timeout",
        "20",
        "--token",
        "secret"
      ]
      const { code } = yield* runInProcess([
        "batch",
        input,
        "--server-url",
        service.url,
        "--concurrency",
        "1",
        ...flags
      ])
      assert.strictEqual(code, 0)
      const [plain, inner] = service.asked
      const defaults = { temperature: 0.5, stop: ["END"] }
      assert.deepStrictEqual(plain?.event, { ...defaults, max_tokens: 7, id: 0, content: "plain" })
      assert.deepStrictEqual(inner?.event, {
        ...{ ...defaults, max_tokens: 9, id: 1 },
        content: { prompt: "inner", temperature: 0.1 }
      })
      assert.deepInclude(plain?.headers, { authorization: "Bearer secret", "x-request-timeout": "20" })
    })
  )

  it.live("has failed events in the output, asks nobody about what isn't an event, and exits with 1", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(({ content }) => (content === "bad" ? failing("invalid_parameter") : {}))
      const { input, output, results } = yield* batchFiles({ id: 0, content: "good" }, "no JSON", "[1]", {
        id: 3,
        content: "bad"
      })
      const args = ["batch", input, "--output", output, "--server-url", service.url, "--ordered"]
      const { code, stderr } = yield* runInProcess(args)
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(codes(results()), [
        undefined,
        "invalid_request",
        "invalid_input_format",
        "invalid_parameter"
      ])
      assert.deepStrictEqual(results()[3], { index: 3, id: 3, ...bodyFor("invalid_parameter", "Told so.") })
      assert.match(String(results()[1]?.["id"]), /^line-[0-9a-f]{16}-1$/)
      assert.strictEqual(service.asked.length, 2)
      assert.include(stderr, "4 events in")
      assert.include(stderr, "1 ok, 3 failed (")
    })
  )

  it.live("goes on behind an event that is nested too deeply to be sent", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const deep = `{"id":0,"content":"p","x":${"[".repeat(400_000)}${"]".repeat(400_000)}}`
      const { input, output, results } = yield* batchFiles(deep, { id: 1, content: "good" })
      const { code } = yield* runInProcess(["batch", input, "--output", output, "--server-url", service.url])
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(ids(results()), [0, 1])
      assert.deepStrictEqual(codes(results()), ["invalid_request", undefined])
      assert.strictEqual(results()[0]?.["details"], "the event is nested too deeply")
    })
  )

  it.live("names events without an id, and tells the service the name", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const { input, output, results } = yield* batchFiles({ content: "p" }, { content: "p" }, { id: "", content: "q" })
      yield* runInProcess(["batch", input, "--output", output, "--server-url", service.url, "--ordered"])
      const [first, second, third] = ids(results())
      assert.match(String(first), /^line-[0-9a-f]{16}-1$/)
      assert.strictEqual(second, String(first).replace(/1$/, "2"))
      assert.notStrictEqual(third, first)
      assert.sameMembers(
        service.asked.map(({ event }) => event["id"]),
        [first, second, third]
      )
    })
  )

  it.live("asks again, as late as it is told, where there is no room yet, and where a connection breaks", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(({ id }, tries) => {
        if (tries > 0 || id === "ok") return {}
        if (id === "limited") return failing("rate_limited", { "retry-after": "1" })
        if (id === "full") return failing("overloaded", { "retry-after": "1" })
        return id === "reset" ? { reset: true } : { status: 502, body: "<html>" }
      })
      const events = ["ok", "limited", "full", "reset", "gateway"].map((id) => ({ id, content: "p" }))
      const { input, output, results } = yield* batchFiles(...events)
      const args = ["batch", input, "--output", output, "--server-url", service.url, "--concurrency"]
      const { code } = yield* runInProcess([...args, "1"])
      assert.strictEqual(code, 0)
      assert.sameMembers([...ids(results())], ["ok", "limited", "full", "reset", "gateway"])
      const [first, second] = service.asked.filter(({ event }) => event["id"] === "limited")
      assert.isAtLeast((second?.at ?? 0) - (first?.at ?? 0), 1000)
    })
  )

  it.live("tells what an event was told last when its patience is over", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(() => failing("overloaded", { "retry-after": "30" }))
      const { input, output, results } = yield* batchFiles({ id: 1, content: "p" })
      const args = ["batch", input, "--output", output, "--server-url", service.url, "--patience", "5"]
      assert.strictEqual((yield* runInProcess(args)).code, 1)
      assert.deepStrictEqual(codes(results()), ["overloaded"])
      assert.strictEqual(service.asked.length, 1)
    })
  )

  it.live("exits with 3 when nobody is there, and leaves the output for another run", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(serviceDouble())
      const { input, output, written } = yield* batchFiles({ id: 1, content: "p" }, { id: 2, content: "p" })
      const { code, stderr } = yield* runInProcess(["batch", input, "--output", output, "--server-url", url])
      assert.deepStrictEqual(
        [code, stderr],
        [3, `ai-ticket: Could not reach ai-ticket at ${url}: connection refused.\n`]
      )
      assert.strictEqual(written(), "")
    })
  )

  it.live.each([
    { what: "a token that is refused", move: failing("forbidden"), told: "(forbidden)" },
    { what: "somebody else there", move: { body: { text: "hello" } }, told: "is not ai-ticket" },
    { what: "somebody else there, who says no", move: { status: 404, body: "<html>" }, told: "status 404" }
  ])("ends with 1 at $what: no event would fare better", ({ move, told }) =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(() => move)
      const events = Array.from({ length: 100 }, (_, id) => ({ id, content: "p" }))
      const { input, output, written } = yield* batchFiles(...events)
      const { code, stderr } = yield* runInProcess(["batch", input, "--output", output, "--server-url", service.url])
      assert.strictEqual(code, 1)
      assert.include(stderr, told)
      assert.strictEqual(written(), "")
      assert.isAtMost(service.asked.length, 16)
    })
  )

  it.live("tells an event that is too large for the service from a connection that breaks", () =>
    Effect.gen(function* () {
      const { url } = yield* stranger(413, JSON.stringify(bodyFor("payload_too_large", "Told so.")))
      const { input, output, results } = yield* batchFiles({ id: 1, content: "x".repeat(5_000_000) })
      const { code } = yield* runInProcess(["batch", input, "--output", output, "--server-url", url])
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(codes(results()), ["payload_too_large"])
    })
  )

  it.live("shows how far it is on a terminal, in a line that makes way for the summary", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(({ id }) => ({ hang: id === 1 }))
      const { input, output } = yield* batchFiles({ id: 0, content: "p" }, { id: 1, content: "p" })
      const args = ["batch", input, "--output", output, "--server-url", service.url]
      const signal = ({ stderr }: { readonly stderr: () => string }) =>
        Effect.as(
          eventually(() => stderr().includes("1/2")),
          "SIGINT" as const
        )
      const { code, stderr } = yield* runInProcess(args, { terminal: true, signal })
      assert.strictEqual(code, 130)
      assert.match(stderr, /\r█{10}░{10} 1\/2 {2}[\d.]+\/s {2}[\d.]+ s left/)
      assert.match(stderr, /\r +\r1 event in [\d.]+ s: 1 ok, 0 failed, 0 skipped\. Tokens: 0 in, 0 out\.\n$/)
    })
  )

  it.live("shows no progress among results on a terminal", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble(() => ({ hang: true }))
      const { input, output } = yield* batchFiles({ id: 0, content: "p" })
      const args = ["batch", input, "--server-url", service.url]
      const running = yield* forked(runInProcess(args, { terminal: true }))
      // One that began later, and shows its progress.
      const shown = ({ stderr }: { readonly stderr: () => string }) =>
        Effect.as(
          eventually(() => stderr().includes("0/1")),
          "SIGINT" as const
        )
      yield* runInProcess([...args, "--output", output], { terminal: true, signal: shown })
      service.release()
      const { stderr, stdout } = yield* Fiber.join(running)
      assert.match(stderr, /^1 event in /)
      assert.strictEqual(resultsIn(stdout).length, 1)
    })
  )
})

describe("a wrong command line of a batch", () => {
  it.live.each([
    { args: ["missing.jsonl"], told: "missing.jsonl" },
    { args: ["."], told: "is a directory" },
    { args: ["-", "--resume"], told: "--resume needs --output" },
    { args: ["-", "--output", "o.jsonl", "--retry-failed"], told: "--retry-failed needs --resume" },
    { args: ["-", "--output", "missing/o.jsonl"], told: "can't be written" },
    { args: ["-", "--concurrency", "0"], told: "a whole number from 1 to 1024" },
    { args: ["-", "--concurrency", "1.5"], told: "--concurrency" },
    { args: ["-", "--temperature", "3"], told: "a number from 0 to 2" }
  ])("$args: exit 2", ({ args, told }) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess(["batch", ...args])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.include(stderr, told)
    })
  )
})
