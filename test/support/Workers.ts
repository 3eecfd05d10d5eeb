import * as Effect from "effect/Effect"
import { start } from "../cli/Program.ts"
import { scriptedBackend } from "./ScriptedBackend.ts"
import { eventually } from "./TestService.ts"

/** The service as it is shipped, with several workers that are all up, and its backend. */
export const startWorkers = Effect.fnUntraced(function* (
  workers: number,
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = [],
  node: ReadonlyArray<string> = []
) {
  const backend = yield* scriptedBackend
  const service = yield* start(
    ["serve", "--port", "0", "--workers", String(workers), "--koboldcpp-url", backend.url, ...args],
    { env: { RATE_LIMIT_REQUESTS: "0", ...env }, node }
  )
  /** Of all workers that have ever come up, in that order. */
  const pids = () => [...service.stdout().matchAll(/Worker (\d+) is up/g)].map(([, pid]) => Number(pid))
  yield* eventually(
    () => pids().length === workers || service.child.exitCode !== null || service.child.signalCode !== null
  )
  return { backend, pids, service, url: yield* service.url }
})
