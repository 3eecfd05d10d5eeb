import type { Generated, Performance } from "./Engine.ts"
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

/** `GET /api/extra/perf`. */
export const performanceBody = (dialect: Dialect, report: Performance): unknown => ({
  last_process: 0,
  last_eval: 0,
  last_token_count: report.lastTokenCount,
  last_seed: -1,
  total_gens: report.generations,
  stop_reason: report.stopReason,
  total_img_gens: 0,
  queue: report.queue,
  idle: report.idle ? 1 : 0,
  hordeexitcounter: 0,
  uptime: report.uptimeSeconds,
  quiet: false,
  ...(dialect === "1.76" ? {} : { last_input_count: report.lastInputCount })
})

/** `GET /api/extra/version`. */
export const versionBody = ({ dialect, password }: SimulatorOptions): unknown => ({
  result: "KoboldCpp",
  version: dialect,
  protected: password !== undefined,
  txt2img: false,
  vision: false,
  ...(dialect === "1.76" ? { transcribe: false } : { llm: true, audio: false, transcribe: false, tts: false })
})

/** `GET /v1/models`, which tells the model's name even where the password should hide it. */
export const modelsBody = ({ model }: SimulatorOptions, createdSeconds: number): unknown => ({
  object: "list",
  data: [
    { id: model, object: "model", created: createdSeconds, owned_by: "koboldcpp", permission: [], root: "koboldcpp" }
  ]
})

/** `POST /api/extra/abort`: the values are texts. */
export const abortBody = (answer: "done" | "deferred" | "refused"): unknown => ({
  success: answer === "refused" ? "false" : "true",
  done: answer === "done" ? "true" : "false"
})

/** `/api/extra/generate/check`. */
export const checkBody = (text: string): unknown => ({ results: [{ text }] })
