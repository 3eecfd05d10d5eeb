import type * as Cause from "effect/Cause"

/**
 * A cause as the log may hold it: the names of its errors and where they were thrown, without their messages, which may
 * quote a prompt or a token.
 */
export const describeCause = (cause: Cause.Cause<unknown>): string => cause.reasons.map(describeReason).join("\n")

const describeReason = (reason: Cause.Reason<unknown>): string => {
  if (reason._tag === "Interrupt") return "interrupted"
  return describeError(reason._tag === "Fail" ? reason.error : reason.defect)
}

/** How deep errors may be the causes of errors before the rest is left out. */
const deepest = 5

const describeError = (error: unknown, depth = 0): string => {
  if (!(error instanceof Error)) return `a ${typeof error} that is no error`
  const own = [error.name, ...frames(error)].join("\n")
  return error.cause === undefined || depth === deepest
    ? own
    : `${own}\ncaused by ${describeError(error.cause, depth + 1)}`
}

/** The stack without the message, which could look like a frame itself. */
const frames = ({ message, stack = "" }: Error): ReadonlyArray<string> => {
  const at = stack.indexOf(message)
  return at < 0
    ? []
    : stack
        .slice(at + message.length)
        .split("\n")
        .filter((line) => /^\s+at /.test(line))
}
