/**
 * Runs a batch with no service in between: each argument is an event, and each result is printed as it comes.
 * Ctrl-C aborts what is with the backend.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { batchResults, layer } from "ai-ticket"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

const events = process.argv.slice(2).map((prompt) => ({ id: prompt, content: { prompt, max_tokens: 80 } }))

const program = batchResults(events, { maxConcurrency: 4 }).pipe(
  Stream.map(({ id, index, result }) =>
    Result.match(result, {
      onSuccess: ({ text }) => `${index} ${id}: ${text}`,
      onFailure: ({ code, message }) => `${index} ${id} failed: ${message} (${code})`
    })
  ),
  Stream.runForEach((line) => Console.log(line)),
  Effect.provide(layer())
)

NodeRuntime.runMain(program)
