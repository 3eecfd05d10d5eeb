import { draw, hashText } from "./Hash.ts"

/** What decides an answer. Nothing else does: no clock, no counter, no process. */
export interface TextRequest {
  readonly prompt: string
  /** The part of the prompt that the answer names: the last message of a chat, or the prompt itself. */
  readonly topic: string
  readonly seed: number
  /** At least 0. */
  readonly maxTokens: number
  readonly stop: ReadonlyArray<string>
  /** Whether the stop sequence that was hit is left out of the text. */
  readonly trimStop: boolean
  /** The end-of-text token is banned: only the limit or a stop sequence ends the answer. */
  readonly endless: boolean
}

/** Why a generation ended, in the numbers of the server's own performance report. */
export const StopReason = { none: -1, outOfTokens: 0, endOfText: 1, stopSequence: 2 } as const
export type StopReason = (typeof StopReason)[keyof typeof StopReason]

/** The whole answer before a single token of it is sent. */
export interface TextPlan {
  /** One entry per token, as far as the client sees it: a stop sequence that is left out leaves empty entries. */
  readonly tokens: ReadonlyArray<string>
  /** The text of a generation that runs to its end: the tokens, joined. */
  readonly text: string
  readonly stopReason: StopReason
}

const vocabulary = (
  "the a this every one answer question ticket note page line word list plan step part reason example result change " +
  "server reader writer customer team morning evening week simple short long clear small large useful steady quiet " +
  "reads writes keeps moves shows finds sends asks gives takes holds follows and or but with without for from after " +
  "before about between again often never always here there then now"
).split(" ")

const naturalLength = { minimum: 24, spread: 97 }
const topicWords = 8
const topicWordLength = 24

/** The tokens of a text: joined they are the text. Real tokenisers differ; this one is only steady and about as fine. */
export const tokenise = (text: string): ReadonlyArray<string> => text.match(/\s?\S{1,6}|\s/gu) ?? []

/** How many tokens `tokenise` would give, without building them: a prompt may have 32 MB. */
export const countTokens = (text: string): number => {
  const token = /\s?\S{1,6}|\s/gu
  let count = 0
  while (token.exec(text) !== null) count += 1
  return count
}

/**
 * The answer to a request: it says that it is simulated, names the first words it was asked, and goes on with words
 * drawn by prompt and seed, until the token limit, a stop sequence, or an end of its own between 24 and 120 tokens.
 */
export const planText = (request: TextRequest): TextPlan => {
  const seed = hashText(`${request.seed}\n${request.prompt}`)
  const natural = naturalLength.minimum + Math.floor(draw(seed, 0) * naturalLength.spread)
  const ended = !request.endless && natural <= request.maxTokens
  const tokens = firstTokens(opening(request.topic), seed, ended ? natural : request.maxTokens, ended)
  const text = tokens.join("")
  const stop = firstStop(text, request.stop)
  if (stop === undefined) {
    return { tokens, text, stopReason: ended ? StopReason.endOfText : StopReason.outOfTokens }
  }
  const end = request.trimStop ? stop.start : stop.end
  return {
    tokens: clip(tokensUpTo(tokens, stop.end), end),
    text: text.slice(0, end),
    stopReason: StopReason.stopSequence
  }
}

const opening = (topic: string): string => {
  const words = topic.trim().split(/\s+/u, topicWords)
  const short = words.map((word) =>
    Array.from(word.slice(0, topicWordLength * 2))
      .slice(0, topicWordLength)
      .join("")
  )
  return `Simulated answer to ${short.join(" ") || "nothing"}:`
}

const firstTokens = (start: string, seed: number, count: number, ended: boolean): ReadonlyArray<string> => {
  const tokens = tokenise(start).slice(0, count)
  let sentence = 0
  for (let index = tokens.length; index < count; index++) {
    const word = vocabulary[Math.floor(draw(seed, index) * vocabulary.length)] ?? ""
    const last = sentence >= 5 && draw(seed, -index) < 0.25
    const capital = sentence === 0 ? word.charAt(0).toUpperCase() + word.slice(1) : word
    tokens.push(` ${capital}${last || (ended && index === count - 1) ? "." : ""}`)
    sentence = last ? 0 : sentence + 1
  }
  return tokens
}

/** The stop sequence that is complete first, as the model would notice it token by token. */
const firstStop = (text: string, stops: ReadonlyArray<string>) => {
  let first: { readonly start: number; readonly end: number } | undefined
  for (const stop of stops) {
    const start = stop === "" ? -1 : text.indexOf(stop)
    const end = start + stop.length
    if (start >= 0 && (first === undefined || end < first.end)) first = { start, end }
  }
  return first
}

const tokensUpTo = (tokens: ReadonlyArray<string>, end: number): ReadonlyArray<string> => {
  let length = 0
  const needed = tokens.findIndex((token) => {
    length += token.length
    return length >= end
  })
  return tokens.slice(0, needed + 1)
}

/** As many tokens, with nothing in them past so many characters of the whole. */
const clip = (tokens: ReadonlyArray<string>, length: number): ReadonlyArray<string> => {
  let offset = 0
  return tokens.map((token) => {
    const left = Math.max(0, length - offset)
    offset += token.length
    return token.slice(0, left)
  })
}
