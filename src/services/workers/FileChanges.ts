import { stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

const interval = "300 millis"

/** A tick whenever one of the files has become another and has stayed so for a moment: it may be written in pieces. */
export const changesOf = (files: ReadonlyArray<string>): Stream.Stream<void> =>
  Stream.unwrap(
    Effect.map(signatureOf(files), (first) => {
      let applied = first
      let seen = first
      return Stream.fromEffectSchedule(signatureOf(files), Schedule.spaced(interval)).pipe(
        Stream.filter((now) => {
          const settled = now === seen
          seen = now
          if (!settled || now === applied) return false
          applied = now
          return true
        }),
        Stream.map(() => undefined)
      )
    })
  )

const signatureOf = (files: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(
    Effect.forEach(files, (file) => Effect.promise(() => stat(file).catch(() => undefined))),
    (found) => found.map((file) => (file === undefined ? "none" : `${file.ino} ${file.mtimeMs} ${file.size}`)).join()
  )
