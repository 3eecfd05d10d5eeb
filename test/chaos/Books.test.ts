import { assert, describe, it } from "@effect/vitest"
import type { End } from "../../scripts/chaos/answers.ts"
import { balance } from "../../scripts/chaos/books.ts"
import type { Asked } from "../../scripts/chaos/clients.ts"
import { backends } from "../../scripts/chaos/schedule.ts"
import { firstRecord, type GenerationRecord } from "../../src/simulator/LedgerContent.ts"
import { planText } from "../../src/simulator/Text.ts"

const [one] = backends
const endedAt = 10_000

const textRequest = (id: number) => ({
  prompt: `user: #${id} asks for some words\n`,
  topic: `#${id} asks for some words`,
  ...{ seed: -1, maxTokens: 20, stop: [], trimStop: true, endless: false }
})
const planOf = (id: number) => planText(textRequest(id))

const work = (id: number, record: Partial<GenerationRecord> = {}) => ({
  backend: one,
  record: {
    ...firstRecord(
      id,
      {
        ...{ endpoint: "chat", path: "/v1/chat/completions", stream: false },
        request: { ...textRequest(id), genkey: "", stream: false, parameters: {} }
      },
      endedAt - 100
    ),
    ...{
      startedAt: endedAt - 90,
      endedAt: endedAt - 10,
      outcome: "completed" as const,
      tokens: planOf(id).tokens.length
    },
    ...record
  } as const
})

const asked = (id: number, end: End): Asked => ({ id, stream: false, endedAt, end })
const answered = (id: number): End => {
  const { text, tokens } = planOf(id)
  return { _tag: "answered", text, tokens: tokens.length, backend: "one" }
}
const left: End = { _tag: "left" }
const failed: End = { _tag: "failed", code: "api_connection_error", midway: false, details: null }

const wrongIn = (...books: Parameters<typeof balance>) => balance(...books).wrong.join("; ")

describe("the books of a chaos run", () => {
  it("balance when each generation was delivered, aborted, lost or wasted", () => {
    const { account, held, wrong } = balance(
      [asked(1, answered(1)), asked(2, left), asked(3, answered(3)), asked(4, failed)],
      [
        work(1),
        work(2, { outcome: "aborted", tokens: 5, endedAt: endedAt + 20 }),
        work(3, { outcome: "running", tokens: 0, endedAt: null }),
        work(3, { reason: "cut@5%" }),
        work(3),
        work(4, { outcome: "fault", reason: "cut@5%", tokens: 7 })
      ]
    )
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual(held, { generations: 2, tokens: 40 })
    assert.deepStrictEqual(account, {
      begun: { generations: 6, tokens: 72 },
      delivered: { generations: 2, tokens: 40 },
      aborted: { generations: 1, tokens: 5 },
      lost: { generations: 1, tokens: 0 },
      wasted: { generations: 2, tokens: 27 }
    })
  })

  it.each<readonly [string, RegExp, ReadonlyArray<Asked>, ReadonlyArray<ReturnType<typeof work>>]>([
    ["an answer that nobody made", /holds a text that nobody made/, [asked(1, answered(1))], []],
    ["another's answer", /holds a text that nobody made/, [asked(1, answered(2)), asked(2, left)], [work(1), work(2)]],
    ["an answer that was kept from its client", /made whole, and its client told/, [asked(1, failed)], [work(1)]],
    ["a generation that runs on for nobody", /ran on for 2000 ms/, [asked(1, left)], [work(1, { endedAt: 12_000 })]],
    ["a generation that nobody asked for", /which nobody asked/, [], [work(1)]],
    [
      "tokens that were counted wrong",
      /was told as 3 tokens/,
      [asked(1, { ...answered(1), tokens: 3 } as End)],
      [work(1)]
    ],
    ["no answer at all", /no proper answer: socket hang up/, [asked(1, { _tag: "amiss", why: "socket hang up" })], []]
  ])("tell of %s", (_, told, requests, works) => {
    assert.match(wrongIn(requests, works), told)
  })
})
