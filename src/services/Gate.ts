import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { NoBackendAvailable, Overloaded } from "../domain/Failure.ts"
import type { Lane } from "./Backends.ts"
import type { RequestRecord } from "./CurrentRequest.ts"
import type { Suits } from "./LaneChoice.ts"
import type { Standing } from "./Line.ts"
import type { Span } from "./telemetry/Tracing.ts"

export type Refused = Overloaded | NoBackendAvailable

/** A request on its way through the line. */
export interface Visit extends Standing<Lane> {
  readonly clock: Clock.Clock
  readonly request: RequestRecord | undefined
  readonly slot: Scope.Closeable
  readonly enteredAt: number
  /** What the wait is part of. */
  readonly span: Span | undefined
  /** What it could go to. */
  readonly suits: Suits
  /** Whether it stood in line; of one that several workers share it isn't known, and taken so. */
  stood: boolean
  lane: Lane | undefined
  takenAt: number | undefined
  settle: (effect: Effect.Effect<Lane, Refused>) => void
}

/** Who lets requests through to the backends: the line of this process, or the one that several workers share. */
export interface Gate {
  /** Returns with a slot, after waiting for it. Once it has been called, `left` or `back` must follow. */
  readonly wait: (visit: Visit, deadline: number) => Effect.Effect<Lane, Refused>
  /** Returns with a slot that is free now, of whatever tier, if there is one and then `allowed` says yes. */
  readonly takeFree: (visit: Visit, allowed: Effect.Effect<boolean>) => Effect.Effect<Lane, Refused>
  /** It doesn't wait any more; false if it didn't. */
  readonly left: (visit: Visit) => boolean
  /** The slot is free again, after it was held for so long; undefined says nothing of how long one takes. */
  readonly back: (visit: Visit, lane: Lane, heldMillis: number | undefined) => void
  /** Looks again at what everybody waits for: a backend has come or gone. */
  readonly reconsider: Effect.Effect<void>
  /** Those of this process. */
  readonly counts: () => { readonly waiting: number; readonly inUse: number }
  /** The whole line. */
  readonly state: Effect.Effect<LineState>
}

export interface LineState {
  readonly waiting: number
  readonly inUse: number
  /** How long one who came now would wait, in milliseconds. */
  readonly expectedWait: number
  /** The slots in use of a backend. */
  readonly inUseOf: (lane: Lane) => number
}
