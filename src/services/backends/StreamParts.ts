import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import { counted } from "../../domain/Counted.ts"
import type { CutShort } from "../../domain/Failure.ts"
import type { GenerationPart, Usage } from "../../domain/Generation.ts"
import type { Parts } from "../InferenceBackend.ts"
import type { BrokenCall } from "./Transport.ts"
import type { StreamEvent } from "./Wire.ts"

/** What can be wrong with a stream that has begun. */
export type StreamFault =
  | { readonly _tag: "Broken"; readonly reason: string }
  | { readonly _tag: "NotJson" }
  | { readonly _tag: "Shape" }
  /** The backend says in the stream that it failed. */
  | { readonly _tag: "Told" }
  /** It goes on and on with nothing but white space. */
  | { readonly _tag: "Endless" }

/** The most characters of one event: a backend that sends more is not streaming tokens. */
const maxEventSize = 1024 * 1024

/** How long to wait for the end of a stream that has told its finish reason. */
const closingTime = "1 second"

/** A stream of events, read into parts. */
export interface PartReader {
  readonly pull: Pull.Pull<Parts, StreamFault | CutShort>
  /** Whether the finish reason has come, so that nothing is generated any more. */
  readonly finished: () => boolean
  /** The model, once an event has told it. */
  readonly model: () => string | undefined
}

/**
 * Reads server-sent events as OpenAI-compatible servers and KoboldCpp send them: `data: [DONE]` may be missing, and so may
 * the last blank line. Only a finish reason proves that a stream is complete; without one its end is a fault. So is a silence of
 * `silenceMillis`, if given, once there was a text.
 */
export const readParts = (
  chunks: Pull.Pull<string, BrokenCall | CutShort>,
  readEvent: (event: unknown) => Result.Result<StreamEvent, unknown>,
  silenceMillis?: number | undefined
): PartReader => {
  let parts: Array<GenerationPart> = []
  let finishReason: string | undefined
  let model: string | undefined
  let usage: Usage | undefined
  let ended: Effect.Effect<never, StreamFault | CutShort | Cause.Done> | undefined
  let spoke = false
  /** The body has ended, perhaps in the middle of an event. */
  let closed = false

  /** Ends the stream: as it should if the finish reason has come, whatever comes after it; with the fault otherwise. */
  const end = (fault: StreamFault | CutShort) => {
    if (ended !== undefined) return
    if (finishReason === undefined) {
      ended = Effect.fail(fault)
      return
    }
    parts.push({ _tag: "End", finishReason, ...(usage === undefined ? {} : { usage }) })
    ended = Cause.done()
  }

  const parser = Sse.makeParser(
    (event) => {
      if (ended !== undefined || event._tag === "Retry") return
      if (event.data === "[DONE]") return end(brokeOff)
      const json = Result.try((): unknown => JSON.parse(event.data))
      if (Result.isFailure(json)) return end(closed ? brokeOff : notJson)
      if (event.event === "error" || tellsAnError(json.success)) return end(told)
      const read = readEvent(json.success)
      if (Result.isFailure(read)) return end(shape)
      const { finishReason: reason, text, toolCalls } = read.success
      // How KoboldCpp tells an error in its own kind of stream.
      if (reason === "error") return end(told)
      model ??= read.success.model
      usage = read.success.usage ?? usage
      spoke ||= toolCalls !== undefined || text.trim() !== ""
      if (toolCalls !== undefined) parts.push({ _tag: "Text", text, tokens: 1, toolCalls })
      else if (text !== "") parts.push({ _tag: "Text", text, tokens: 1 })
      finishReason ??= reason
    },
    { maxEventSize }
  )

  /** Bounded once the finish reason is there: not every server closes its streams. */
  const nextChunk = Effect.suspend(() => {
    if (finishReason !== undefined) return Effect.timeoutOrElse(chunks, { duration: closingTime, orElse: Cause.done })
    if (silenceMillis === undefined || !spoke) return chunks
    return Effect.timeoutOrElse(chunks, {
      duration: silenceMillis,
      orElse: () => Effect.fail(silentFor(silenceMillis))
    })
  })

  const pull: PartReader["pull"] = Effect.suspend(() => {
    const [first, ...rest] = parts
    if (first !== undefined) {
      parts = []
      return Effect.succeed([first, ...rest] as const)
    }
    if (ended !== undefined) return ended
    return Effect.matchEffect(nextChunk, {
      onSuccess: (text) => {
        if (parser.feed(text) !== undefined) end(notJson)
        return pull
      },
      onFailure: (error) => {
        if (Cause.isDone(error)) {
          closed = true
          parser.feed("\n\n")
          end(brokeOff)
        } else end("reached" in error ? { _tag: "Broken", reason: error.reason } : error)
        return pull
      }
    })
  })
  return { pull, finished: () => finishReason !== undefined, model: () => model }
}

const silentFor = (millis: number): BrokenCall => ({
  ...{ reached: true, oversized: false },
  reason: `it said nothing for ${counted(millis / 1000, "second")}`
})

const brokeOff: StreamFault = { _tag: "Broken", reason: "the stream ended before its finish reason" }
const notJson: StreamFault = { _tag: "NotJson" }
const shape: StreamFault = { _tag: "Shape" }
const told: StreamFault = { _tag: "Told" }

const tellsAnError = (event: unknown): boolean =>
  typeof event === "object" && event !== null && ("error" in event || "detail" in event) && !("choices" in event)

/** The most white space that is held back, in characters: each is a part of its own at worst. */
const mostHeld = 256 * 1024

/**
 * Waits for the first text that is more than white space, so that whoever hears of the stream knows that it is one; what
 * came before is held back until then. A stream that ends without such a text ends the wait as well.
 */
export const untilFirstText = <E>(pull: Pull.Pull<Parts, E>): Pull.Pull<Parts, E | StreamFault> =>
  Effect.suspend(() => {
    const held: Array<GenerationPart> = []
    let characters = 0
    const wait: Pull.Pull<Parts, E | StreamFault> = Effect.flatMap(pull, (parts) => {
      // A model may write line breaks for minutes: they are copied once.
      held.push(...parts)
      for (const part of parts) if (part._tag === "Text") characters += part.text.length
      if (characters > mostHeld && !parts.some(tells)) return Effect.fail<StreamFault>({ _tag: "Endless" })
      const [first, ...more] = parts.some(tells) ? held : []
      return first === undefined ? wait : Effect.succeed([first, ...more])
    })
    return wait
  })

const tells = (part: GenerationPart): boolean => part._tag === "End" || hasText(part)

/** Whether a part says more than white space. */
export const hasText = (part: GenerationPart): boolean =>
  part._tag === "Text" && (part.toolCalls !== undefined || part.text.trim() !== "")
