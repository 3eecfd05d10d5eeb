/** What happens to the backends and when, all of it decided by a seed before anything starts. */
import { draw } from "../../src/simulator/Hash.ts"

/** The backends of a run: two KoboldCpps and a plain server of OpenAI's protocol. */
export const backends = [
  { name: "one", kind: "koboldcpp", slots: 1 },
  { name: "two", kind: "koboldcpp", slots: 1 },
  { name: "three", kind: "openai", slots: 6 }
] as const
export type Backend = (typeof backends)[number]

const kinds = ["killed", "killed", "busy", "rubbish", "broken", "slow", "stalled"] as const
export type Kind = (typeof kinds)[number]

/** One backend goes wrong for a while. */
export interface Trouble {
  /** Milliseconds since the start, and how many more until it is well again. */
  readonly at: number
  readonly lasts: number
  readonly backend: Backend
  readonly kind: Kind
  /** Whether a backend that was killed comes back at another address. */
  readonly moves: boolean
}

/** The faults of a simulator for each kind of trouble but death. None spoils an answer for good but `cut`. */
export const faultsOf = (kind: Exclude<Kind, "killed">, backend: Backend): ReadonlyArray<string> => {
  switch (kind) {
    case "busy":
      return ["503@60%", "503:retry-after=1@20%", "429@5%"]
    case "rubbish":
      return ["malformed@40%", "shape@30%", "null@10%"]
    case "broken":
      return ["reset@40%", "close@20%", "cut@5%"]
    case "stalled":
      return ["stall@30%"]
    case "slow":
      // A KoboldCpp that has yet to read a request can't be told to stop it; the other kind sees who has left.
      return backend.kind === "openai" ? ["ok:delay=400*"] : ["drip:every=20:bytes=64*"]
  }
}

/** Two troubles at a time at most, on different backends: the third is well. */
const tracks = 2

/** A process takes so many milliseconds to come back, or less. */
const recovery = 1000

const between = (share: number, least: number, most: number) => Math.round(least + share * (most - least))

/** Everything that goes wrong within so many milliseconds. */
export const scheduleOf = (seed: number, millis: number): ReadonlyArray<Trouble> => {
  let draws = 0
  const next = () => draw(seed, draws++)
  const pick = <A>(from: ReadonlyArray<A>) => from[Math.floor(next() * from.length)]
  const troubles: Array<Trouble> = []
  /** Each kind comes once before any comes again. */
  const deck: Array<Kind> = []
  const ready: Array<number> = Array.from({ length: tracks }, () => between(next(), 500, 2500))
  for (;;) {
    const at = Math.min(...ready)
    if (at >= millis) return troubles
    const busy = troubles.filter((trouble) => trouble.at + trouble.lasts + recovery > at).map(({ backend }) => backend)
    const backend = pick(backends.filter((candidate) => !busy.includes(candidate)))
    if (deck.length === 0) deck.push(...kinds)
    if (backend === undefined) {
      ready[ready.indexOf(at)] = at + recovery
      continue
    }
    const [kind = "killed"] = deck.splice(Math.floor(next() * deck.length), 1)
    const lasts = between(next(), 1500, 6000)
    troubles.push({ at, lasts, backend, kind, moves: next() < 0.5 })
    ready[ready.indexOf(at)] = at + lasts + between(next(), 500, 3000)
  }
}
