interface Family {
  /** `# HELP` and `# TYPE`, as they came. */
  readonly head: Array<string>
  kind: string
  /** Each series with its values in turn. */
  readonly samples: Map<string, Array<number>>
}

/** A gauge that says how something stands that they share, or whether it does: of several that say it, the mean is told. */
const isMean = (name: string): boolean => /_state$|_expected_wait_seconds$/.test(name)

/**
 * Several processes' metrics in Prometheus' text format as those of one. What is counted is summed, of those that are no
 * more as well, for a counter must not fall. What is measured now is summed over those that live; a state is 1 where all
 * are in it, and else the share of those that are; the wait in the line that they share is that of one. Backends that the
 * living know no more are left out.
 */
export const sumMetrics = (living: ReadonlyArray<string>, departed: ReadonlyArray<string> = []): string => {
  const families = new Map<string, Family>()
  for (const text of living) read(text, families, () => true)
  const backends = new Set(living.flatMap((text) => [...text.matchAll(backendLabels)].map(([, name]) => name)))
  const isKnown = (series: string) => {
    const [, name] = backendLabel.exec(series) ?? []
    return name === undefined || backends.size === 0 || backends.has(name)
  }
  for (const text of departed) read(text, families, (kind, series) => kind !== "gauge" && isKnown(series))
  return [...families].map(([name, family]) => write(name, family, living.length)).join("")
}

const backendLabel = /[{,]backend="([^"]*)"/
const backendLabels = new RegExp(backendLabel, "g")

type Counts = (kind: string, series: string) => boolean

const read = (text: string, families: Map<string, Family>, counts: Counts): void => {
  let family: Family | undefined
  for (const line of text.split("\n")) {
    const [, word, name, rest] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      family = families.get(name) ?? { head: [], kind: "untyped", samples: new Map() }
      families.set(name, family)
      if (word === "TYPE") family.kind = rest ?? family.kind
      if (!family.head.includes(line)) family.head.push(line)
      continue
    }
    const end = line.lastIndexOf(" ")
    const series = line.slice(0, end)
    if (end < 0 || family === undefined || !counts(family.kind, series)) continue
    const values = family.samples.get(series) ?? []
    values.push(Number(line.slice(end + 1)))
    family.samples.set(series, values)
  }
}

const write = (name: string, { head, kind, samples }: Family, living: number): string => {
  if (samples.size === 0) return ""
  const share = kind === "gauge" && isMean(name) ? living : 1
  const lines = [...samples].map(
    ([series, values]) => `${series} ${values.reduce((sum, value) => sum + value, 0) / share}`
  )
  return `${[...head, ...lines].join("\n")}\n`
}
