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
  (name: string, description: string) => {
    /** By the values of the labels, one after the other: a key of all of them would be made anew at each update. */
    const root: Branch<Input> = { below: new Map() }
    const forgetIn = (branch: Branch<Input>, label: string, value: string): void => {
      for (const [key, next] of branch.below) {
        forgetIn(next, label, value)
        if (next.leaf?.labels[label] !== value) continue
        Metric.removeUnsafe(next.leaf.series, context)
        branch.below.delete(key)
      }
    }
    return {
      update: (labels: Labels, value: Input) => {
        let branch = root
        for (const label in labels) {
          const key = labels[label] ?? ""
          let next = branch.below.get(key)
          if (next === undefined) {
            next = { below: new Map() }
            branch.below.set(key, next)
          }
          branch = next
        }
        branch.leaf ??= { labels, series: make(name, description, labels) }
        branch.leaf.series.updateUnsafe(value, context)
      },
      /** Takes out the series that have this label. */
      forget: (label: string, value: string) => forgetIn(root, label, value)
    }
  }

export type Labels = Readonly<Record<string, string>>

/** The series that have some values of their first labels in common. */
interface Branch<Input> {
  readonly below: Map<string, Branch<Input>>
  leaf?: { readonly labels: Labels; readonly series: Metric.Metric<Input, unknown> }
}
