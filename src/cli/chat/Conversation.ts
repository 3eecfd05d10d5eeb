import * as Option from "effect/Option"

/** A turn, as the service is sent it. */
export interface Turn {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

/** What has been said so far. */
export interface Conversation {
  /** What the model is told before everything else. */
  readonly system: Option.Option<string>
  readonly turns: ReadonlyArray<Turn>
}

/** An answer, or as much of it as was heard. */
export interface Answer {
  readonly text: string
  readonly whole: boolean
}

export const begin = (system: Option.Option<string>): Conversation => ({ system, turns: [] })

/** All that the service is sent, in order. */
export const turnsOf = ({ system, turns }: Conversation): ReadonlyArray<Turn> => [
  ...Option.toArray(Option.map(system, (content): Turn => ({ role: "system", content }))),
  ...turns
]

/** The conversation with something more said. */
export const asked = (conversation: Conversation, content: string): Conversation => ({
  ...conversation,
  turns: [...conversation.turns, { role: "user", content }]
})

/** Tells the model, too, that it didn't come to its end: the protocol has no field for that. */
const cutMark = "…"

/** The conversation with its last question answered; a part of an answer is marked as one. */
export const answered = (conversation: Conversation, { text, whole }: Answer): Conversation => ({
  ...conversation,
  turns: [...conversation.turns, { role: "assistant", content: whole ? text : text + cutMark }]
})
