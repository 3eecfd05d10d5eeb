import type { Performance } from "./Engine.ts"
import type { SimulatorOptions } from "./Options.ts"

/** `GET /api/extra/perf`. Times are those that the options ask for: milliseconds per token, and seconds in all. */
export const performanceBody = (
  { dialect, promptDelayMillis, tokensPerSecond }: SimulatorOptions,
  report: Performance
): unknown => {
  const { lastInputCount: input, lastTokenCount: tokens } = report
  const processSeconds = report.generations === 0 ? 0 : promptDelayMillis / 1000
  const evalSeconds = tokensPerSecond === 0 ? 0 : tokens / tokensPerSecond
  const millisEach = (seconds: number, count: number) => (count === 0 ? 0 : (seconds * 1000) / count)
  const speed = (count: number, seconds: number) => (seconds === 0 ? 0 : count / seconds)
  const old = dialect === "1.76"
  return {
    last_process: millisEach(processSeconds, input),
    last_eval: millisEach(evalSeconds, tokens),
    last_token_count: tokens,
    ...(!old && {
      last_input_count: input,
      last_process_time: processSeconds,
      last_eval_time: evalSeconds,
      last_process_speed: speed(input, processSeconds),
      last_eval_speed: speed(tokens, evalSeconds)
    }),
    last_seed: -1,
    ...(!old && { last_draft_success: 0, last_draft_failed: 0 }),
    total_gens: report.generations,
    stop_reason: report.stopReason,
    total_img_gens: 0,
    ...(!old && { total_tts_gens: 0, total_transcribe_gens: 0 }),
    queue: report.queue,
    idle: report.idle ? 1 : 0,
    hordeexitcounter: 0,
    uptime: report.uptimeSeconds,
    idletime: report.idleSeconds,
    quiet: false
  }
}

/** `GET /api/extra/version`: what this server can do besides making text, which is nothing. */
export const versionBody = ({ dialect, password }: SimulatorOptions): unknown => {
  const head = { result: "KoboldCpp", version: dialect, protected: password !== undefined }
  if (dialect === "1.76") return { ...head, txt2img: false, vision: false, transcribe: false }
  return {
    ...head,
    llm: true,
    txt2img: false,
    vision: false,
    audio: false,
    transcribe: false,
    multiplayer: false,
    websearch: false,
    tts: false,
    embeddings: false,
    savedata: false,
    admin: 0,
    guidance: false,
    jinja: false
  }
}

/** `GET /v1/models`, which tells the model's name even where the password should hide it. */
export const modelsBody = ({ model }: SimulatorOptions, createdSeconds: number): unknown => ({
  object: "list",
  data: [
    { id: model, object: "model", created: createdSeconds, owned_by: "koboldcpp", permission: [], root: "koboldcpp" }
  ]
})

/** `GET /api/tags`, for clients of Ollama. The model that it describes is as made up as its text. */
export const tagsBody = ({ dialect, model }: SimulatorOptions): unknown => {
  const entry = (name: string) => ({
    name: "koboldcpp",
    model: name,
    modified_at: "2024-01-01T00:00:00.0000000+00:00",
    size: 1,
    digest: "0".repeat(64),
    details: {
      parent_model: "",
      format: "gguf",
      family: "koboldcpp",
      families: ["koboldcpp"],
      parameter_size: "0M",
      quantization_level: "Q4_0"
    }
  })
  return { models: dialect === "1.76" ? [entry(model)] : [entry(`${model}:latest`), entry(model)] }
}

/** `POST /api/extra/abort`: the values are texts. */
export const abortBody = (answer: "done" | "deferred" | "refused"): unknown => ({
  success: answer === "refused" ? "false" : "true",
  done: answer === "done" ? "true" : "false"
})

/** `/api/extra/generate/check`. */
export const checkBody = (text: string): unknown => ({ results: [{ text }] })
