import { Overloaded } from "../domain/Failure.ts"
import { FairQueue, type Waiting } from "../domain/FairQueue.ts"
import { best, knows, perMilli, type Served } from "./LaneChoice.ts"

/** Somebody who asks for a backend. */
export interface Standing<L> extends Waiting {
  /** What it waits for, while it waits. */
  among: ReadonlyArray<L>
  /** It may use that one. */
  readonly go: (lane: L) => void
}

/** When somebody who waits would like to be told no, in milliseconds from now, and beyond how many before him. */
export interface Patience {
  readonly millisLeft: number
  readonly queueLimit: number
}

/**
 * The line itself, plain data without a clock: slots taken, and who waits for one. In one process it is that process's;
 * of several workers it is the keeper's, so that both decide alike.
 */
export class Line<L extends Served, S extends Standing<L>> {
  private readonly queue = new FairQueue<S>()
  /** Those of retired backends too, until the last request is done with them. */
  private taken = 0

  get waiting(): number {
    return this.queue.size
  }

  get inUse(): number {
    return this.taken
  }

  /** How long one who came now would wait, in milliseconds. */
  expectedWait(among: ReadonlyArray<L>): number {
    if (best(among) !== undefined && this.queue.size === 0) return 0
    return (this.queue.size + 1) / perMilli(among)
  }

  /** A slot that is free now, if one is: those who wait wait for other backends, or they would have gone. */
  takeFree(among: ReadonlyArray<L>): L | undefined {
    const lane = best(among)
    if (lane !== undefined) this.take(lane)
    return lane
  }

  /** Stands in line for what isn't free, or is told no. */
  join(standing: S, { millisLeft, queueLimit }: Patience): Overloaded | undefined {
    const { among } = standing
    if (this.queue.size >= queueLimit) return new Overloaded({ retryAfterMillis: 1 / perMilli(among) })
    const expected = this.expectedWait(among)
    // Better told at once than after its time is up: it would wait for nothing.
    if (expected > millisLeft && knows(among)) return new Overloaded({ retryAfterMillis: expected - millisLeft })
    this.queue.add(standing)
    return undefined
  }

  /** Takes somebody out who doesn't wait any more; false if nobody like that waited. */
  remove(standing: S): boolean {
    return this.queue.remove(standing)
  }

  /** Everybody who waits, in no order. */
  entries(): ReadonlyArray<S> {
    return this.queue.entries()
  }

  /** A slot is free again, after it was held for so long; undefined says nothing of how long one takes. */
  giveBack(lane: L, heldMillis: number | undefined): void {
    this.taken -= 1
    lane.load.served(heldMillis)
    this.letIn()
  }

  /** Lets in whoever may go, as long as there is somebody. */
  letIn(): void {
    for (;;) {
      const next = this.queue.next(({ among }) => best(among) !== undefined)
      const lane = next === undefined ? undefined : best(next.among)
      if (next === undefined || lane === undefined) return
      this.take(lane)
      next.go(lane)
    }
  }

  private take(lane: L): void {
    this.taken += 1
    lane.load.taken()
  }
}
