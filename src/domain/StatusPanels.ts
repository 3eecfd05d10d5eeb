import type { Activity } from "./Activity.ts"
import { counted } from "./Counted.ts"
import type { MetricsSummary, StatusPanel } from "./MetricsSummary.ts"

type Facts = Pick<MetricsSummary, "queue" | "backends"> & {
  readonly ready: boolean
  readonly draining: boolean
  readonly late: Activity["late"]
}

type Told = Omit<StatusPanel, "id">

const ok = (text: string): Told => ({ state: "ok", text })
const warning = (text: string): Told => ({ state: "warning", text })
const critical = (text: string): Told => ({ state: "critical", text })

/** The share of requests that failed by our fault, over the last minute, from which on it is told as such. */
const worthAWarning = 0.01
const worthAnAlarm = 0.1

/** What somebody looks at first: whether each thing is as it should be. */
export const statusPanels = (facts: Facts): ReadonlyArray<StatusPanel> => [
  { id: "service", ...serviceOf(facts) },
  { id: "backends", ...backendsOf(facts) },
  { id: "queue", ...queueOf(facts) },
  { id: "errors", ...errorsOf(facts) }
]

const serviceOf = ({ draining, ready }: Facts): Told => {
  if (draining) return warning("draining: it takes no new work")
  return ready ? ok("takes work") : critical("no backend can be asked")
}

/** Whether it can be asked, and answers. */
export const isWell = ({ breaker, health, state }: MetricsSummary["backends"][number]) =>
  state === "up" && breaker === "closed" && health !== "failing"

const backendsOf = ({ backends }: Facts): Told => {
  const well = backends.filter(isWell).length
  const text = `${well} of ${backends.length} up`
  if (well === backends.length) return ok(text)
  return well === 0 ? critical(text) : warning(text)
}

const queueOf = ({ queue: { expected_wait_seconds: wait, limit, waiting } }: Facts): Told => {
  const text = `${waiting} of ${limit} waiting, ${counted(wait, "second")} to wait`
  if (waiting < limit / 2 || waiting === 0) return ok(text)
  return waiting < limit ? warning(text) : critical(text)
}

const errorsOf = ({ late: { minute, minuteServerErrors } }: Facts): Told => {
  const share = minute === 0 ? 0 : minuteServerErrors / minute
  const text = `${minuteServerErrors} of ${counted(minute, "request")} failed in the last minute`
  if (share < worthAWarning) return ok(text)
  return share < worthAnAlarm ? warning(text) : critical(text)
}
