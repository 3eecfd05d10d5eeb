import type * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import type { SettingsError, Source } from "../services/SettingsSource.ts"
import type { CommandFailure } from "./CommandFailure.ts"
import type { SimulationFlags, WrongOption } from "./Simulate.ts"

/** The long-running programs behind the commands, which only the composition root can put together. */
export interface Programs {
  /** Serves, with the settings of the given sources, until it is interrupted; then it drains. */
  readonly serve: (sources: ReadonlyArray<Source>) => Effect.Effect<never, SettingsError | CommandFailure>
  /** Simulates a KoboldCpp server until it is interrupted, and says where it listens. */
  readonly simulate: (
    flags: SimulationFlags,
    listening: (url: string) => Effect.Effect<void, CommandFailure, Stdio.Stdio>
  ) => Effect.Effect<never, CommandFailure | WrongOption, Stdio.Stdio>
}
