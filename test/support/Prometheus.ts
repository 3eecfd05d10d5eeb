export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\\n]|\\\\|\\n)*$/
const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)/

/**
 * Reads Prometheus' text format 0.0.4, and throws at whatever isn't it: a line of no known form, a sample before its
 * type, a type or a series told twice.
 */
export const parseMetrics = (text: string): ReadonlyArray<Sample> => {
  if (!text.endsWith("\n")) throw new Error("the last line has no end")
  const types = new Map<string, string>()
  const seen = new Set<string>()
  const samples: Array<Sample> = []
  for (const line of text.slice(0, -1).split("\n")) {
    const type = typeLine.exec(line)
    if (type !== null) {
      const [, name = "", kind = ""] = type
      if (types.has(name)) throw new Error(`${name} has two types`)
      types.set(name, kind)
    } else if (!helpLine.test(line) && line !== "") {
      const series = line.slice(0, line.lastIndexOf(" "))
      if (seen.has(series)) throw new Error(`${series} stands there twice`)
      seen.add(series)
      samples.push(sampleOf(line, types))
    }
  }
  return samples
}

const sampleOf = (line: string, types: ReadonlyMap<string, string>): Sample => {
  const [, name, inner = "", number] = sampleLine.exec(line) ?? []
  if (name === undefined || number === undefined) throw new Error(`no sample: ${line}`)
  const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "")
  if (!types.has(family)) throw new Error(`no type before ${line}`)
  const labels: Record<string, string> = {}
  for (let rest = inner; rest !== ""; ) {
    const [whole, key, value] = label.exec(rest) ?? []
    if (whole === undefined || key === undefined || value === undefined || key in labels) {
      throw new Error(`bad labels: ${line}`)
    }
    labels[key] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped))
    rest = rest.slice(whole.length)
  }
  return { name, labels, value: number.endsWith("Inf") ? Number(`${number}inity`) : Number(number) }
}

/** The value of the one series with this name and these labels. */
export const sampleValue = (
  samples: ReadonlyArray<Sample>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number | undefined =>
  samples.find(
    (sample) => sample.name === name && Object.entries(labels).every(([key, wanted]) => sample.labels[key] === wanted)
  )?.value
