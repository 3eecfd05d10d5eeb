import type { Generated } from "./Engine.ts"
import type { Endpoint } from "./FaultStep.ts"
import type { Dialect, SimulatorOptions } from "./Options.ts"
import { StopReason } from "./Text.ts"

/** The `Server` header. */
export const serverName = (dialect: Dialect): string =>
  dialect === "1.76" ? "ConcedoLlamaForKoboldServer" : "KoboldCppServer 1"

/** Only the end-of-text token is a "stop"; the limit, a stop sequence and an abort are all "length". */
export const finishReason = ({ stopReason }: Pick<Generated, "stopReason">): "stop" | "length" =>
  stopReason === StopReason.endOfText ? "stop" : "length"

/** The older dialect doesn't count: it always says these. */
const inventedUsage = { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 }

const usage = (dialect: Dialect, generated: Generated) =>
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
  const finish_reason = finishReason(generated)
  const head = (id: string, object: string) => ({
    id,
    object,
    created: createdSeconds,
    model,
    usage: usage(dialect, generated)
  })
  switch (endpoint) {
    case "chat":
      return {
        ...head("chatcmpl-A1", "chat.completion"),
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: generated.text, tool_calls: [] },
            finish_reason,
            ...(dialect === "1.76" ? {} : { logprobs: null })
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
