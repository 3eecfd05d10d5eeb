/** A number and what is counted, in the singular for one: "1 second", "0.5 seconds". The plural must be the usual one. */
export const counted = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? "" : "s"}`
