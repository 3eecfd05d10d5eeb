/** A time for people: to three digits, in the unit that fits; a dash where there is none. */
export const duration = (millis: number | null): string => {
  if (millis === null) return "-"
  if (millis < 1000) return `${rounded(millis)} ms`
  return millis < 120_000 ? `${rounded(millis / 1000)} s` : `${rounded(millis / 60_000)} min`
}

/** A count for people, to three digits where it is large. */
export const quantity = (count: number): string => {
  if (count < 10_000) return String(count)
  return count < 10_000_000 ? `${rounded(count / 1000)}k` : `${rounded(count / 1_000_000)}M`
}

const rounded = (value: number): string => String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))

/** The time of day in an ISO time, where its offset is none. */
export const timeOfDay = (iso: string): string => /T(\d\d:\d\d:\d\d)/.exec(iso)?.[1] ?? iso
