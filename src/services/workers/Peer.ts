import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Questions } from "./Packets.ts"

/** The other process is no more: what it was asked is not answered. */
export class PeerGone extends Schema.TaggedError<PeerGone>()("PeerGone", {}) {}

/** The process at the other end of a channel. */
export interface Peer<Tells, Asks extends Questions> {
  readonly tell: (told: Tells) => void
  /** The same, but it is on its way when this returns. */
  readonly tellNow: (told: Tells) => void
  readonly ask: <K extends keyof Asks & string>(
    question: K,
    about: Asks[K]["about"]
  ) => Effect.Effect<Asks[K]["answer"], PeerGone>
  /** For what came over the channel. */
  readonly receive: (batch: unknown) => void
  /** For its end: whoever waits for an answer is told. */
  readonly gone: () => void
}

/** How the questions of the other end are answered. */
export type Answers<Asked extends Questions> = {
  readonly [K in keyof Asked]: (about: Asked[K]["about"]) => Effect.Effect<Asked[K]["answer"]>
}

type Packet =
  | { readonly told: unknown }
  | { readonly ask: string; readonly id: number; readonly about: unknown }
  | { readonly id: number; readonly answer: unknown }

/**
 * Speaks with another process of this program. What is said in one turn of the event loop goes in one message: a
 * message costs more than what it holds.
 */
export const makePeer = <Tells, Asks extends Questions, Told, Asked extends Questions>(options: {
  readonly post: (batch: ReadonlyArray<unknown>) => void
  readonly told: (told: Told) => void
  readonly answers: Answers<Asked>
  readonly run: (effect: Effect.Effect<void>) => void
}): Peer<Tells, Asks> => {
  const pending = new Map<number, (exit: Effect.Effect<unknown, PeerGone>) => void>()
  let gathered: Array<Packet> = []
  let lastId = 0
  let isGone = false

  const flush = () => {
    if (gathered.length === 0) return
    const batch = gathered
    gathered = []
    if (!isGone) options.post(batch)
  }
  const gather = (packet: Packet) => {
    if (gathered.length === 0) setImmediate(flush)
    gathered.push(packet)
  }

  const take = (packet: Packet) => {
    if ("told" in packet) return options.told(packet.told as Told)
    const { id } = packet
    if ("answer" in packet) {
      const resume = pending.get(id)
      pending.delete(id)
      return resume?.(Effect.succeed(packet.answer))
    }
    const answer: ((about: unknown) => Effect.Effect<unknown>) | undefined = options.answers[packet.ask]
    if (answer === undefined) return
    options.run(Effect.map(answer(packet.about), (answer) => gather({ id, answer })))
  }

  return {
    tell: (told) => gather({ told }),
    tellNow: (told) => {
      gather({ told })
      flush()
    },
    ask: (question, about) =>
      Effect.callback<unknown, PeerGone>((resume) => {
        if (isGone) return resume(new PeerGone())
        lastId += 1
        const id = lastId
        pending.set(id, resume)
        gather({ ask: question, id, about })
        return Effect.sync(() => pending.delete(id))
      }),
    receive: (batch) => {
      if (Array.isArray(batch)) for (const packet of batch as ReadonlyArray<Packet>) take(packet)
    },
    gone: () => {
      isGone = true
      for (const resume of pending.values()) resume(new PeerGone())
      pending.clear()
    }
  }
}
