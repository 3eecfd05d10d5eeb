import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Asking, asking, patienceMillis } from "../Asking.ts"
import { hear } from "../Heard.ts"
import { showAsItComes } from "../Output.ts"
import { notOurs, refusal } from "../Refusal.ts"
import { type SamplingValues, samplingFields } from "../SamplingFlags.ts"
import { originOf, type Answer as Reply, withinTime } from "../Server.ts"
import { serverEvents } from "../ServerEvents.ts"
import { withSignOfLifeAtFirst } from "../SignOfLife.ts"
import { readChatEvent, readChatRefusal } from "./ChatEvent.ts"
import { type Answer, type Conversation, turnsOf } from "./Conversation.ts"

/** Whom a conversation is with, and how it answers. */
export type Partner = Asking & SamplingValues

/**
 * Asks for the next turn of a conversation and prints it as it comes. If `cutOff` returns before its end, what has come
 * until then is the answer, and the rest is cancelled.
 */
export const ask = (partner: Partner, conversation: Conversation, cutOff: Effect.Effect<void>) =>
  Effect.suspend(() => {
    const { serverUrl } = partner
    let text = ""
    const body = { ...samplingFields(partner), messages: turnsOf(conversation), stream: true }
    const heard = serverEvents(asking(partner, "/v1/chat/completions", body)).pipe(
      hear(serverUrl, readChatEvent),
      withSignOfLifeAtFirst,
      Stream.map((event) => {
        text += event.text
        return event.text
      })
    )
    const refused = (reply: Reply) =>
      Effect.fail(reply.status === 200 ? notOurs(serverUrl, "is not a stream") : refusal(reply, readChatRefusal))
    const toItsEnd = showAsItComes(heard).pipe(
      Effect.catchTag("WholeAnswer", ({ answer }) => refused(answer)),
      withinTime(originOf(serverUrl), patienceMillis(partner))
    )
    return Effect.raceFirst(Effect.as(toItsEnd, true), Effect.as(cutOff, false)).pipe(
      Effect.map((whole): Answer => ({ text: text.trim(), whole }))
    )
  })
