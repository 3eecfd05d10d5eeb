import type { Reply } from "./Answer.ts"
import type { Endpoint } from "./FaultStep.ts"
import type { SimulatorOptions } from "./Options.ts"
import type { StreamWire } from "./StreamWire.ts"

const head: Reply = { status: 200, headers: { "content-type": "text/event-stream" }, body: "", sized: false }

/**
 * Events as a plain server of OpenAI's protocol writes them: a chat begins with its role, the reason for the end is in
 * an event without text, and usage, for those who asked for it, in one without a choice.
 */
export const openAiStream = (endpoint: Endpoint, { model }: SimulatorOptions, tellsUsage: boolean): StreamWire => {
  const chat = endpoint === "chat"
  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

  const chunk = (created: number, choices: ReadonlyArray<object>, more: object = {}) =>
    event({
      ...{ choices, created, id: chat ? "chatcmpl-simulated" : "cmpl-simulated", model },
      ...{ object: chat ? "chat.completion.chunk" : "text_completion", ...more }
    })
  const choice = (delta: object, finish_reason: string | null, text = "") =>
    chat ? { finish_reason, index: 0, delta } : { finish_reason, index: 0, text }
  const said = (text: string, created: number) => chunk(created, [choice({ content: text }, null, text)])

  return {
    head,
    opening: (created) => (chat ? chunk(created, [choice({ role: "assistant", content: null }, null)]) : ""),
    text: said,
    end: ({ reason, text, usage }, created) =>
      [
        text === "" ? "" : said(text, created),
        chunk(created, [choice({}, reason)]),
        tellsUsage ? chunk(created, [], { usage }) : "",
        "data: [DONE]\n\n"
      ].join(""),
    event,
    garbage: 'data: {"simulated": "garba\n\n',
    error: event({ error: { code: 500, message: "Simulated error.", type: "server_error" } })
  }
}
