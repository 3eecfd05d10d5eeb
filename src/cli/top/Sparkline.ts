const bars = "▁▂▃▄▅▆▇█"

/** Numbers as bars, the largest of them the highest; nothing is a dot, and so is what wasn't measured. */
export const sparkline = (values: ReadonlyArray<number | null>): string => {
  const most = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
  return values
    .map((value) => (value === null || value <= 0 ? "·" : bars[Math.min(7, Math.floor((value / most) * 8))]))
    .join("")
}
