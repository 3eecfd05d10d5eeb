import * as Stream from "effect/Stream"
import { type Line, makeLineSplitter } from "../../domain/JsonLines.ts"

/** The longest line of a batch's files that is read, in bytes. */
export const largestLine = 64 * 1024 * 1024

/** The lines of a text, as it is read. */
export const linesIn = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Line, E, R> =>
  Stream.suspend(() => {
    const splitter = makeLineSplitter(largestLine)
    return Stream.concat(
      Stream.flatMap(bytes, (piece) => Stream.fromIterable(splitter.push(piece))),
      Stream.suspend(() => Stream.fromIterable(splitter.end()))
    )
  })
