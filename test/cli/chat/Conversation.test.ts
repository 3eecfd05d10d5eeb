import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { answered, asked, begin, type Turn, turnsOf } from "../../../src/cli/chat/Conversation.ts"

const system: Turn = { role: "system", content: "Be brief." }
const user = (content: string): Turn => ({ role: "user", content })
const assistant = (content: string): Turn => ({ role: "assistant", content })

describe("a conversation", () => {
  it("is told in order, what the model is told beforehand first", () => {
    const first = answered(asked(begin(Option.some("Be brief.")), "one"), { text: "1", whole: true })
    assert.deepStrictEqual(turnsOf(asked(first, "two")), [system, user("one"), assistant("1"), user("two")])
    assert.deepStrictEqual(turnsOf(asked(begin(Option.none()), "one")), [user("one")])
  })

  it("marks a part of an answer as one", () => {
    const cut = answered(asked(begin(Option.none()), "count"), { text: "one, two", whole: false })
    assert.deepStrictEqual(turnsOf(cut), [user("count"), assistant("one, two…")])
  })
})
