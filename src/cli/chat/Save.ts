import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type Conversation, turnsOf } from "./Conversation.ts"

/** Writes a conversation to a new file, which nobody else may read, and gives the sentence that tells how it went. */
export const save = Effect.fnUntraced(function* (conversation: Conversation, path: string) {
  if (path === "") return "Say where to: /save FILE."
  const files = yield* FileSystem.FileSystem
  const name = JSON.stringify(path)
  const text = `${JSON.stringify({ messages: turnsOf(conversation) }, undefined, 2)}\n`
  return yield* files.writeFileString(path, text, { flag: "wx", mode: 0o600 }).pipe(
    Effect.as(`Saved to ${name}.`),
    Effect.catchTag("PlatformError", ({ reason }) =>
      Effect.succeed(
        reason._tag === "AlreadyExists"
          ? `${name} is there already, and stays as it is.`
          : `${name} can't be written: ${reason._tag}.`
      )
    )
  )
})
