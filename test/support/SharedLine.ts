import * as Effect from "effect/Effect"
import type { Fellows } from "../../src/services/workers/Fellows.ts"
import { KeptLine, type LinePacket } from "../../src/services/workers/KeptLine.ts"
import type { Offer, ToKeeper, ToLine } from "../../src/services/workers/Packets.ts"

/** A worker whose keeper is at hand, and hears and answers at once; of what is kept there is only the line. */
export const fellowsOf = (line = new KeptLine()): Fellows => {
  let hear: (told: ToLine) => void = () => {}
  const place = line.worker((told) => hear(told))
  const tell = (told: ToKeeper) => place.hear(told as LinePacket)
  return {
    workers: 1,
    keeper: {
      tell,
      tellNow: tell,
      ask: (question, about) =>
        question === "line" ? Effect.sync(() => line.state(about as ReadonlyArray<Offer>) as never) : Effect.never,
      receive: () => {},
      gone: () => {}
    },
    answer: () => {},
    onLine: (told) => {
      hear = told
    },
    visits: new WeakMap(),
    retired: Effect.never,
    end: Effect.void
  }
}
