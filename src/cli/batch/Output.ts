import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { failure } from "../CommandFailure.ts"
import { fileProblem } from "../FileProblem.ts"
import { showPlain } from "../Output.ts"
import { nothingEarlier, readEarlier } from "./Earlier.ts"
import { lockOutput } from "./OutputLock.ts"

export interface OutputFlags {
  readonly output: Option.Option<string>
  readonly resume: boolean
  readonly retryFailed: boolean
}

/** Where the results go, and what is there already. */
export const openOutput = Effect.fnUntraced(function* ({ output, resume, retryFailed }: OutputFlags) {
  if (resume && Option.isNone(output))
    return yield* failure("usage", "--resume needs --output: there is nothing else to resume.")
  if (retryFailed && !resume) return yield* failure("usage", "--retry-failed needs --resume.")
  if (Option.isNone(output)) {
    return { earlier: nothingEarlier, write: (text: string) => showPlain(text.replace(/\n$/, "")) }
  }
  const path = output.value
  const name = `The output ${JSON.stringify(path)}`
  const files = yield* FileSystem.FileSystem
  yield* lockOutput(path)
  const size = yield* Effect.match(files.stat(path), { onFailure: () => 0, onSuccess: ({ size }) => Number(size) })
  if (size > 0 && !resume) return yield* failure("usage", `${name} is there already: --resume goes on with it.`)
  const earlier = size > 0 ? yield* readEarlier(path, { retryFailed }) : nothingEarlier
  const file = yield* Effect.mapError(files.open(path, { flag: "a" }), (error) =>
    failure("usage", `${name} can't be written: ${fileProblem(error)}.`)
  )
  return {
    earlier,
    // Appended in one piece, which is with the system when this returns, and not cut short by a signal to end.
    write: (text: string) =>
      Effect.uninterruptible(file.writeAll(Buffer.from(text))).pipe(
        Effect.mapError((error) => failure("refused", `${name} can't be written: ${fileProblem(error)}.`))
      )
  }
})
