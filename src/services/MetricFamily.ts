import type * as Context from "effect/Context"
import type * as Metric from "effect/Metric"

/**
 * One name with its labelled series. Each series is a metric of its own, made once and kept: the sets of labels are
 * closed, so what is kept is bounded.
 */
export const family =
  <Input>(
    context: Context.Context<never>,
    make: (name: string, description: string, labels: Labels) => Metric.Metric<Input, unknown>
  ) =>
  (name: string, description: string) => {
    const made = new Map<string, Metric.Metric<Input, unknown>>()
    return {
      update: (labels: Labels, value: Input) => {
        const key = Object.values(labels).join("\n")
        let series = made.get(key)
        if (series === undefined) {
          series = make(name, description, labels)
          made.set(key, series)
        }
        series.updateUnsafe(value, context)
      }
    }
  }

export type Labels = Readonly<Record<string, string>>
