import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/**
 * One name with its labelled series. Each series is a metric of its own, made once and kept: the sets of labels are
 * closed, so what is kept is bounded; what an operator takes out of them is forgotten.
 */
export const family =
  <Input>(
    context: Context.Context<never>,
    make: (name: string, description: string, labels: Labels) => Metric.Metric<Input, unknown>
  ) =>
  <const Names extends ReadonlyArray<string>>(
    name: string,
    description: string,
    ...names: Names
  ): Family<Input, Names> => {
    /** By the values of the labels, one after the other: a key of all of them would be made anew at each update. */
    const root: Branch<Input> = { below: new Map() }
    const begin = (values: ReadonlyArray<string | undefined>) => {
      const labels: Record<string, string> = {}
      names.forEach((label, at) => {
        const value = values[at]
        if (value !== undefined) labels[label] = value
      })
      return make(name, description, labels)
    }
    const forgetIn = ({ below }: Branch<Input>, depth: number, value: string): void => {
      for (const [key, branch] of below) {
        if (depth > 0) forgetIn(branch, depth - 1, value)
        else if (key === value) {
          for (const series of seriesOf(branch)) Metric.removeUnsafe(series, context)
          below.delete(key)
        }
      }
    }
    return {
      update: (value, ...values) => {
        let branch = root
        for (const key of values) {
          let next = branch.below.get(key)
          if (next === undefined) {
            next = { below: new Map() }
            branch.below.set(key, next)
          }
          branch = next
        }
        branch.series ??= begin(values)
        branch.series.updateUnsafe(value, context)
      },
      forget: (label, value) => forgetIn(root, names.indexOf(label), value)
    }
  }

/** The series of one name. */
export interface Family<Input, Names extends ReadonlyArray<string>> {
  /** Takes the values of its labels in their order; one that is undefined is left out. */
  readonly update: (value: Input, ...values: { readonly [At in keyof Names]: string | undefined }) => void
  /** Takes out the series that have this label. */
  readonly forget: (label: Names[number], value: string) => void
}

export type Labels = Readonly<Record<string, string>>

/** The series that have the values of their first labels in common. */
interface Branch<Input> {
  readonly below: Map<string | undefined, Branch<Input>>
  series?: Metric.Metric<Input, unknown>
}

const seriesOf = <Input>({ below, series }: Branch<Input>): ReadonlyArray<Metric.Metric<Input, unknown>> => [
  ...(series === undefined ? [] : [series]),
  ...[...below.values()].flatMap(seriesOf)
]
