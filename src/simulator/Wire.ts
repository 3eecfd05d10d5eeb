import type { Generated } from "./Engine.ts"
import type { Endpoint } from "./FaultStep.ts"
import type { Dialect, SimulatorOptions } from "./Options.ts"
import { StopReason } from "./Text.ts"

/** How an answer begins: the protocol, and the `Server` header. */
export interface Greeting {
  readonly protocol: "HTTP/1.0" | "HTTP/1.1"
  readonly server: string
}

/** What every answer of a server of that dialect begins with. */
export const greetingOf = (dialect: Dialect): Greeting => greetings[dialect]

const greetings: Readonly<Record<Dialect, Greeting>> = {
  "1.76": { protocol: "HTTP/1.0", server: "ConcedoLlamaForKoboldServer" },
  "1.104": { protocol: "HTTP/1.0", server: "KoboldCppServer 1" },
  openai: { protocol: "HTTP/1.1", server: "llama.cpp" }
}

/** For KoboldCpp only the end-of-text token is a "stop"; the limit, a stop sequence and an abort are all "length". */
export const finishReason = (dialect: Dialect, { stopReason }: Pick<Generated, "stopReason">): "stop" | "length" =>
  stopReason === StopReason.endOfText || (dialect === "openai" && stopReason === StopReason.stopSequence)
    ? "stop"
    : "length"

/** The older dialect doesn't count: it always says these. */
const inventedUsage = { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 }

/** Tokens as a server tells them. */
export const usageOf = (dialect: Dialect, generated: Generated) =>
  dialect === "1.76"
    ? inventedUsage
    : {
        prompt_tokens: generated.promptTokens,
        completion_tokens: generated.completionTokens,
        total_tokens: generated.promptTokens + generated.completionTokens
      }

/** The body of a 200. */
export const generationBody = (
  endpoint: Endpoint,
  { dialect, model }: SimulatorOptions,
  generated: Generated,
  createdSeconds: number
): unknown => {
  const finish_reason = finishReason(dialect, generated)
  const head = (id: string, object: string) => ({
    id,
    object,
    created: createdSeconds,
    model,
    usage: usageOf(dialect, generated)
  })
  switch (endpoint) {
    case "chat":
      return {
        ...head("chatcmpl-A1", "chat.completion"),
        choices: [
          {
            index: 0,
            message: {
              ...{ role: "assistant", content: generated.text },
              ...(dialect === "openai" ? {} : { tool_calls: [] })
            },
            finish_reason,
            ...(dialect === "1.104" ? { logprobs: null } : {})
          }
        ]
      }
    case "completion":
      return {
        ...head("cmpl-A1", "text_completion"),
        choices: [{ text: generated.text, index: 0, finish_reason, logprobs: null }]
      }
    case "generate":
      return {
        results: [
          dialect === "1.76"
            ? { text: generated.text, finish_reason }
            : {
                text: generated.text,
                tool_calls: [],
                finish_reason,
                logprobs: null,
                prompt_tokens: generated.promptTokens,
                completion_tokens: generated.completionTokens
              }
        ]
      }
  }
}
