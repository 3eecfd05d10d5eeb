import type * as PlatformError from "effect/PlatformError"

/** What is wrong with a file, in a word, or in the system's own words where there is no word for it: a full disk, say. */
export const fileProblem = ({ reason }: PlatformError.PlatformError): string =>
  reason._tag === "Unknown" && reason.cause instanceof Error ? reason.cause.message : reason._tag
