import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

interface Case {
  readonly proxies: string
  readonly forwardedFor: string
  readonly client: string
}

const cases: ReadonlyArray<Case> = [
  { proxies: "0", forwardedFor: "198.51.100.1", client: "127.0.0.1" },
  { proxies: "1", forwardedFor: "198.51.100.1", client: "198.51.100.1" },
  { proxies: "1", forwardedFor: "203.0.113.9, 198.51.100.1", client: "198.51.100.1" },
  { proxies: "1", forwardedFor: "198.51.100.1:4711", client: "198.51.100.1" },
  { proxies: "1", forwardedFor: "::ffff:198.51.100.1", client: "198.51.100.1" },
  { proxies: "1", forwardedFor: "[2001:db8::1]:4711", client: "2001:db8::1" },
  { proxies: "1", forwardedFor: "unknown", client: "127.0.0.1" },
  { proxies: "1", forwardedFor: "198.51.100.1, <script>", client: "127.0.0.1" },
  { proxies: "1", forwardedFor: "198.51.100.1,", client: "127.0.0.1" },
  { proxies: "2", forwardedFor: "203.0.113.9, 198.51.100.1, 10.0.0.1", client: "198.51.100.1" },
  { proxies: "2", forwardedFor: "198.51.100.1, 10.0.0.1", client: "198.51.100.1" },
  { proxies: "2", forwardedFor: "198.51.100.1", client: "127.0.0.1" }
]

describe.concurrent("the client's address", () => {
  for (const { client, forwardedFor, proxies } of cases) {
    it.live(`behind ${proxies} proxies, of "${forwardedFor}" is ${client}`, () =>
      Effect.gen(function* () {
        const { lines, url } = yield* startService({ TRUST_PROXY_COUNT: proxies })
        yield* sendEvent(url, { content: "hi" }, { headers: { "x-forwarded-for": forwardedFor } })
        const requests = () => lines.filter((line) => line.includes('"message":"request"'))
        yield* eventually(() => requests().length === 1)
        assert.strictEqual(JSON.parse(requests()[0] ?? "{}").client, client)
      })
    )
  }
})

/** How many of five requests pass a limit of two, when each brings an address of its own in some place. */
const passing = (proxies: string, forwardedFor: (at: number) => string) =>
  Effect.gen(function* () {
    const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "2", TRUST_PROXY_COUNT: proxies })
    const answers = yield* Effect.forEach([1, 2, 3, 4, 5], (at) =>
      sendEvent(url, { content: "hi" }, { headers: { "x-forwarded-for": forwardedFor(at) } })
    )
    return answers.filter(({ status }) => status === 200).length
  })

describe.concurrent("the limit of a client that forges X-Forwarded-For", () => {
  it.live("holds without proxies", () =>
    Effect.map(
      passing("0", (at) => `198.51.100.${at}`),
      (passed) => assert.strictEqual(passed, 2)
    )
  )

  it.live("holds behind one: the proxy's own entry counts", () =>
    Effect.map(
      passing("1", (at) => `198.51.100.${at}, 203.0.113.9`),
      (passed) => assert.strictEqual(passed, 2)
    )
  )

  it.live("holds behind two", () =>
    Effect.map(
      passing("2", (at) => `198.51.100.${at}, 203.0.113.9, 10.0.0.1`),
      (passed) => assert.strictEqual(passed, 2)
    )
  )

  it.live("is each client's own where the addresses are the proxy's word", () =>
    Effect.map(
      passing("1", (at) => `198.51.100.${at}`),
      (passed) => assert.strictEqual(passed, 5)
    )
  )

  it.live("is one for a whole IPv6 network", () =>
    Effect.map(
      passing("1", (at) => `2001:db8:1:2::${at}`),
      (passed) => assert.strictEqual(passed, 2)
    )
  )

  it.live("is another for the next IPv6 network", () =>
    Effect.map(
      passing("1", (at) => `2001:db8:1:${at}::1`),
      (passed) => assert.strictEqual(passed, 5)
    )
  )
})
