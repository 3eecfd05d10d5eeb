import { counted } from "../../domain/Counted.ts"
import type { MetricsSummary } from "../../domain/MetricsSummary.ts"
import { isWell } from "../../domain/StatusPanels.ts"
import { duration, quantity, timeOfDay } from "./Quantities.ts"
import { sparkline } from "./Sparkline.ts"

/** A part of the view: its title and its lines. */
export interface Section {
  readonly title: string
  readonly lines: ReadonlyArray<string>
}

/** How states are told: in colour or not. */
export type Paint = (state: MetricsSummary["panels"][number]["state"], text: string) => string

/** The summary for people, part by part; the most urgent first, and last what may be cut. */
export const sectionsOf = (summary: MetricsSummary, paint: Paint): ReadonlyArray<Section> => [
  { title: "Status", lines: status(summary, paint) },
  { title: "Requests", lines: requests(summary) },
  { title: "Latency", lines: latency(summary) },
  { title: "Backends", lines: backends(summary, paint) },
  { title: "Errors", lines: errors(summary) }
]

const status = ({ panels }: MetricsSummary, paint: Paint) =>
  panels.map(({ id, state, text }) => `${id.padEnd(8)}  ${paint(state, state.padEnd(8))}  ${text}`)

const requests = ({ sparkline: { requests, point_seconds }, throughput, tokens, totals, since }: MetricsSummary) => [
  `${throughput.per_second} a second, ${throughput.per_minute} in the last minute, ${totals.in_flight} in flight`,
  `${sparkline(requests)}  in ${counted((requests.length * point_seconds) / 60, "minute")}`,
  `${quantity(totals.requests)} since ${since.slice(0, 10)} ${timeOfDay(since)} UTC: ${quantity(totals.succeeded)} done, ${quantity(totals.client_errors)} refused, ${quantity(totals.server_errors)} failed, ${quantity(totals.left)} left`,
  `${tokens.per_second} tokens a second; ${quantity(tokens.delivered)} delivered, ${quantity(tokens.wasted)} for nobody`
]

const latency = ({ latency_ms, sparkline: { latency_ms: points }, time_to_first_token_ms: first }: MetricsSummary) => [
  times("whole", latency_ms),
  sparkline(points),
  times("first token", first)
]

const times = (name: string, { average, p50, p95 }: MetricsSummary["latency_ms"]) =>
  `${name.padEnd(11)}  p50 ${duration(p50)}, p95 ${duration(p95)}, average ${duration(average)}`

const backends = ({ backends, queue }: MetricsSummary, paint: Paint) => {
  const width = backends.reduce((width, { name }) => Math.max(width, name.length), 4)
  return [
    `queue  ${queue.waiting} waiting, ${queue.in_use} of ${counted(queue.slots, "slot")} in use`,
    ...backends.map((backend) => {
      const { breaker, health, in_use, name, queue: within, slots, state } = backend
      const well = isWell(backend)
      const how = well || state === "down" ? state : `up, ${health}, breaker ${breaker}`
      const waiting = within === undefined ? "" : `, ${within} waiting in it`
      return `${name.padEnd(width)}  ${paint(well ? "ok" : "critical", how)}  ${in_use} of ${slots} in use${waiting}`
    })
  ]
}

const errors = ({ recent_errors }: MetricsSummary) =>
  recent_errors.length === 0
    ? ["none that is remembered"]
    : recent_errors.map(
        ({ at, code, duration_ms, request_id, route, status }) =>
          `${timeOfDay(at)}  ${status} ${code}  ${route}  ${duration(duration_ms)}  ${request_id}`
      )

/** The summary in a line. */
export const lineOf = ({ backends, latency_ms, panels, queue, throughput }: MetricsSummary, now: string): string => {
  const up = backends.filter(({ state }) => state === "up").length
  const states = panels.map(({ id, state }) => `${id} ${state}`).join(", ")
  return [
    now,
    `${throughput.per_second}/s ${throughput.per_minute}/min`,
    `p50 ${duration(latency_ms.p50)} p95 ${duration(latency_ms.p95)}`,
    `queue ${queue.waiting}+${queue.in_use}`,
    `backends ${up}/${backends.length}`,
    states
  ].join("  ")
}
