/**
 * Asks KoboldCpp with no service in between: the same program, with its waiting line, retries and fallbacks.
 * Ctrl-C aborts the generation at the backend.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { layer, onEvent } from "ai-ticket"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

const event = { content: { prompt: process.argv[2] ?? "Summarise open tickets", max_tokens: 80 } }

const program = onEvent(event, { timeout: "1 minute" }).pipe(
  Effect.flatMap(({ text }) => Console.log(text)),
  Effect.catchTag("Overloaded", () => Console.error("The line is full: try again later.")),
  // Settings come from the environment; what is given here wins.
  Effect.provide(layer({ AI_TICKET_QUEUE_LIMIT: "8" })),
  Effect.tapError(({ message }) => Console.error(message))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
