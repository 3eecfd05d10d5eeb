import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { failure } from "../CommandFailure.ts"
import { tell } from "../Output.ts"
import { Signals } from "../Signals.ts"
import { ask, type Partner } from "./Ask.ts"
import { answered, asked, begin, type Conversation } from "./Conversation.ts"
import { type Entered, LineEditor } from "./LineEditor.ts"
import { save } from "./Save.ts"
import { commandWords, help, readTyped, type Typed } from "./Typed.ts"

const openEditor = Effect.gen(function* () {
  const { open } = yield* LineEditor
  const term = yield* Config.String("TERM").pipe(Config.withDefault(""), Effect.orDie)
  return yield* open({ prompt: "> ", words: commandWords, bracketedPaste: term !== "dumb" })
})

/** Says something, and gives the conversation with its answer; what failed or brought nothing was never said. */
const say = Effect.fnUntraced(function* (partner: Partner, conversation: Conversation, text: string) {
  const { nextInterrupt } = yield* Signals
  const question = asked(conversation, text)
  return yield* ask(partner, question, nextInterrupt).pipe(
    Effect.flatMap((answer) => {
      if (answer.whole) return Effect.succeed(answered(question, answer))
      return answer.text === ""
        ? Effect.as(tell("Cancelled: this was not said."), conversation)
        : Effect.as(tell("Cut off: what has come is kept."), answered(question, answer))
    }),
    Effect.catchTag("CommandFailure", ({ message }) => Effect.as(tell(`ai-ticket: ${message}`), conversation))
  )
})

const setSystem = (conversation: Conversation, text: string) => {
  if (text === '""') return Effect.succeed({ ...conversation, system: Option.none() })
  if (text !== "") return Effect.succeed({ ...conversation, system: Option.some(text) })
  const told = Option.match(conversation.system, {
    onNone: () => "The model is told nothing beforehand.",
    onSome: (system) => `The model is told: ${system}`
  })
  return Effect.as(tell(told), conversation)
}

/** Does what was typed, and gives the conversation as it is then; none when it is over. */
const obey = Effect.fnUntraced(function* (partner: Partner, conversation: Conversation, typed: Typed) {
  if (typed._tag === "Say") return yield* say(partner, conversation, typed.text)
  if (typed._tag === "Unknown") yield* tell(`There is no ${typed.word}: see /help. Behind a space it is said.`)
  if (typed._tag !== "Command") return conversation
  switch (typed.name) {
    case "help":
      yield* tell(help)
      return conversation
    case "system":
      return yield* setSystem(conversation, typed.rest)
    case "save":
      yield* tell(yield* save(conversation, typed.rest))
      return conversation
    case "reset":
      return begin(conversation.system)
    case "exit":
      return undefined
  }
})

/** A conversation with somebody at a terminal, who can go on after what failed. */
export const session = Effect.fnUntraced(function* (partner: Partner, beginning: Conversation) {
  const { nextInterrupt } = yield* Signals
  const read = yield* openEditor
  yield* tell(`Talking with the model at ${partner.serverUrl}. /help tells what you can do.`)
  let conversation: Conversation | undefined = beginning
  while (conversation !== undefined) {
    const entered: Entered = yield* Effect.raceFirst(read, Effect.as(nextInterrupt, { _tag: "Interrupt" } as const))
    if (entered._tag === "Interrupt") return yield* failure("interrupted", "")
    if (entered._tag === "End") return
    conversation = yield* obey(partner, conversation, readTyped(entered.text))
  }
}, Effect.scoped)
