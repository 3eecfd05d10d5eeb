import type { EventOptions } from "../services/Inference.ts"

/** What a request's `Cache-Control` says of answers that aren't its own; other directives are for other caches. */
export const readCacheControl = (value: string | undefined): Pick<EventOptions, "cacheControl"> => {
  if (value === undefined) return nothing
  const directives = value
    .toLowerCase()
    .split(",")
    .map((directive) => directive.trim())
  if (directives.includes("no-store")) return { cacheControl: "no-store" }
  return directives.includes("no-cache") ? { cacheControl: "no-cache" } : nothing
}

const nothing = {}
