import { Overloaded } from "../../domain/Failure.ts"
import { type LaneLoad, makeLaneLoad } from "../LaneLoad.ts"
import { Line, type Standing } from "../Line.ts"
import type { Entering, Offer, ToKeeper, ToLine } from "./Packets.ts"

/** A generation that a worker which is no more has left behind: its slot is taken until `settled` is called. */
export interface Orphan {
  readonly backend: string
  readonly genkey: string
  readonly settled: () => void
}

interface KeptLane {
  readonly name: string
  slots: number
  weight: number
  readonly load: LaneLoad
}

interface KeptVisit extends Standing<KeptLane> {
  /** Of its latest attempt: only that one may still run. */
  genkey: string | undefined
  lane: KeptLane | undefined
}

export type LinePacket = Exclude<ToKeeper, { readonly tell: "up" | "metrics" | "activity" | "file" }>

/** A worker's side of the line: what it says goes in, and what is said to it goes to whoever made it. */
export interface WorkerInLine {
  readonly hear: (packet: LinePacket) => void
  /** It is no more: its place in line is free, and of its slots those that nothing runs on. */
  readonly gone: () => ReadonlyArray<Orphan>
}

/** The one line of all workers: so many slots a backend, so many waiting, fair between clients, whoever they talk to. */
export class KeptLine {
  private readonly line = new Line<KeptLane, KeptVisit>()
  private readonly lanes = new Map<string, KeptLane>()

  /** How it is, and how long one would wait for one of these. */
  state(offers: ReadonlyArray<Offer>) {
    const { inUse, waiting } = this.line
    const expectedWait = this.line.expectedWait(this.lanesOf(offers))
    const inUseOf = Object.fromEntries([...this.lanes.values()].map(({ load, name }) => [name, load.inUse()]))
    return { waiting, inUse, expectedWait, inUseOf }
  }

  worker(say: (told: ToLine) => void): WorkerInLine {
    const visits = new Map<number, KeptVisit>()

    const grant = (visit: KeptVisit, id: number, lane: KeptLane) => {
      visit.lane = lane
      say({ tell: "granted", visit: id, lane: lane.name })
    }

    const enter = ({ client, free, millisLeft, priority, queueLimit, tiers, visit: id }: Entering) => {
      const kept = tiers.map((tier) => this.lanesOf(tier))
      const visit: KeptVisit = {
        ...{ client, priority, among: kept[0] ?? [], genkey: undefined, lane: undefined },
        go: (lane) => grant(visit, id, lane)
      }
      visits.set(id, visit)
      for (const tier of kept) {
        const lane = this.line.takeFree(tier)
        if (lane !== undefined) return grant(visit, id, lane)
      }
      const refused = free
        ? new Overloaded({ retryAfterMillis: 0 })
        : this.line.join(visit, { queueLimit, millisLeft: millisLeft ?? Number.POSITIVE_INFINITY })
      if (refused === undefined) return
      visits.delete(id)
      say({ tell: "refused", visit: id, retryAfterMillis: refused.retryAfterMillis })
    }

    return {
      hear: (packet) => {
        if (packet.tell === "enter") return enter(packet)
        const visit = visits.get(packet.visit)
        if (visit === undefined) return
        if (packet.tell === "begun") visit.genkey = packet.genkey
        else if (packet.tell === "among") {
          visit.among = this.lanesOf(packet.among)
          this.line.letIn()
        } else {
          visits.delete(packet.visit)
          if (visit.lane === undefined) this.line.remove(visit)
          else this.line.giveBack(visit.lane, packet.heldMillis)
        }
      },
      gone: () => {
        // Nobody of it may be let in by the first slot that is given back.
        for (const visit of visits.values()) if (visit.lane === undefined) this.line.remove(visit)
        const orphans: Array<Orphan> = []
        for (const { genkey, lane } of visits.values()) {
          if (lane === undefined) continue
          const settled = () => this.line.giveBack(lane, undefined)
          if (genkey === undefined) settled()
          else orphans.push({ backend: lane.name, genkey, settled })
        }
        visits.clear()
        return orphans
      }
    }
  }

  /** What a backend may do is what was said of it last. */
  private lanesOf(offers: ReadonlyArray<Offer>): ReadonlyArray<KeptLane> {
    return offers.map(({ name, slots, weight }) => {
      const known = this.lanes.get(name)
      if (known !== undefined) return Object.assign(known, { slots, weight })
      const shape = { name, slots, weight }
      const lane: KeptLane = Object.assign(shape, { load: makeLaneLoad(shape) })
      this.lanes.set(name, lane)
      return lane
    })
  }
}
