import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { readChatEvent, readChatRefusal } from "../../../src/cli/chat/ChatEvent.ts"
import type { Said } from "../../../src/cli/Heard.ts"

const chunk = (delta: unknown, finish_reason: unknown = null) =>
  JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta, finish_reason }] })
const failed = JSON.stringify({
  error: { message: "It broke.", type: "server_error", param: null, code: "api_connection_error" }
})

describe("an event of a streamed chat", () => {
  it.each<{ readonly data: string; readonly said: Said }>([
    { data: chunk({ role: "assistant", content: "" }), said: { _tag: "Text", text: "" } },
    { data: chunk({ content: " one" }), said: { _tag: "Text", text: " one" } },
    { data: chunk({ content: null }), said: { _tag: "Text", text: "" } },
    { data: chunk({}, "stop"), said: { _tag: "Text", text: "" } },
    { data: JSON.stringify({ choices: [], usage: {} }), said: { _tag: "Text", text: "" } },
    { data: "[DONE]", said: { _tag: "End" } },
    { data: failed, said: { _tag: "Failure", message: "It broke. (api_connection_error)" } }
  ])("$data", ({ data, said }) => {
    assert.deepStrictEqual(readChatEvent(data), Option.some(said))
  })

  it.each(["", "no", "{}", chunk({ content: 1 }), '{"error":"x"}', '{"error":{"message":"no code"}}'])(
    "%s is of another shape",
    (data) => {
      assert.deepStrictEqual(readChatEvent(data), Option.none())
    }
  )
})

describe("what a refused chat was told", () => {
  it("is a message with its code, or of another shape", () => {
    assert.deepStrictEqual(
      readChatRefusal(failed),
      Option.some({ error: "api_connection_error", message: "It broke." })
    )
    assert.deepStrictEqual(readChatRefusal("<html>Bad gateway</html>"), Option.none())
  })
})
