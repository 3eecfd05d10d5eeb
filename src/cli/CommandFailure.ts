import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { exitCodes, type Outcome } from "./ExitCode.ts"

/** A command ends without having done its work: the message is for whoever typed it, the outcome sets the exit code. */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  outcome: Schema.Literals(["refused", "usage", "unreachable", "interrupted", "terminated"]),
  /** Without a message nothing is printed. */
  message: Schema.String
}) {
  override get [Runtime.errorExitCode](): number {
    return exitCodes[this.outcome].code
  }
  /** It is told in plain words, not logged with a stack. */
  override readonly [Runtime.errorReported] = false
}

/** Makes the failure of an outcome. */
export const failure = (outcome: Exclude<Outcome, "done">, message: string): CommandFailure =>
  new CommandFailure({ outcome, message })
