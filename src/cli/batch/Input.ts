import { createReadStream } from "node:fs"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { InvalidInputFormat, type InvalidRequest, type PayloadTooLarge } from "../../domain/Failure.ts"
import { isBlank, type Line, readLine } from "../../domain/JsonLines.ts"
import { isJsonObject, type JsonObject } from "../../domain/Prompt.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import { makeNames } from "./EventNames.ts"
import { largestLine, linesIn } from "./Lines.ts"

/** An event as it stands in the input. */
export interface BatchEvent {
  /** Which one it is, counted from 0. */
  readonly index: number
  readonly id: string | number
  /** What is to be sent, or why it can't be. */
  readonly event: Result.Result<JsonObject, InvalidRequest | InvalidInputFormat | PayloadTooLarge>
}

export interface Input {
  /** Each time from the beginning. */
  readonly events: Stream.Stream<BatchEvent, CommandFailure>
  /** How many there are, if that can be known before all are read. */
  readonly count: Effect.Effect<number | undefined, CommandFailure>
}

/** The input of a batch: a file, or standard input for `-`. */
export const openInput = Effect.fnUntraced(function* (file: string) {
  const stdio = yield* Stdio.Stdio
  const files = yield* FileSystem.FileSystem
  const name = file === "-" ? "Standard input" : `The file ${JSON.stringify(file)}`
  const unreadable = () => failure("refused", `${name} can't be read.`)
  if (file === "-") {
    return { events: eventsIn(Stream.mapError(stdio.stdin, unreadable)), count: Effect.undefined }
  }
  const { type } = yield* Effect.mapError(files.stat(file), ({ reason }) =>
    failure("usage", `${name} can't be read: ${reason._tag}.`)
  )
  if (type === "Directory") return yield* failure("usage", `${name} is a directory.`)
  // A pipe can be read as well, which has no positions: Node's own reader asks for none.
  const bytes = NodeStream.fromReadable<Uint8Array, CommandFailure>({
    evaluate: () => createReadStream(file),
    onError: unreadable
  })
  return {
    events: eventsIn(bytes),
    count: type === "File" ? Stream.runCount(Stream.filter(linesIn(bytes), isNotBlank)) : Effect.undefined
  }
})

const eventsIn = (bytes: Stream.Stream<Uint8Array, CommandFailure>): Stream.Stream<BatchEvent, CommandFailure> =>
  Stream.suspend(() => {
    const nameOf = makeNames()
    let index = 0
    return Stream.map(Stream.filter(linesIn(bytes), isNotBlank), (line): BatchEvent => {
      const read = readLine(line, largestLine)
      const event = Result.flatMap(read, (value) =>
        isJsonObject(value) ? Result.succeed(value) : Result.fail(new InvalidInputFormat())
      )
      return { index: index++, id: nameOf(line, Result.getOrUndefined(read)), event }
    })
  })

const isNotBlank = (line: Line): boolean => !isBlank(line)
