import * as Redacted from "effect/Redacted"
import type * as Ref from "effect/Ref"
import type { Engine } from "./Engine.ts"
import type { FaultQueue } from "./FaultQueue.ts"
import type { Ledger } from "./Ledger.ts"
import type { SimulatorOptions } from "./Options.ts"
import type { Outlet } from "./Outlet.ts"

/** A request, read to its end. */
export interface Incoming {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly authorization: string | undefined
  readonly body: Uint8Array
  readonly outlet: Outlet
}

/** What the routes work with. */
export interface Parts {
  readonly options: SimulatorOptions
  readonly engine: Engine
  readonly ledger: Ledger
  readonly faults: Ref.Ref<FaultQueue>
}

/** Whether the request brings the password, if one is asked for. The word `Bearer` counts to the letter. */
export const isAuthorized = ({ password }: SimulatorOptions, { authorization }: Incoming): boolean =>
  password === undefined || authorization === `Bearer ${Redacted.value(password)}`
