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
    const made = new Map<string, { readonly labels: Labels; readonly series: Metric.Metric<Input, unknown> }>()
    return {
      update: (labels: Labels, value: Input) => {
        let key = ""
        for (const label in labels) key += `${labels[label]}\n`
        let known = made.get(key)
        if (known === undefined) {
          known = { labels, series: make(name, description, labels) }
          made.set(key, known)
        }
        known.series.updateUnsafe(value, context)
      },
      /** Takes out the series that have this label. */
      forget: (label: string, value: string) => {
        for (const [key, { labels, series }] of made) {
          if (labels[label] !== value) continue
          made.delete(key)
          Metric.removeUnsafe(series, context)
        }
      }
    }
  }

export type Labels = Readonly<Record<string, string>>
