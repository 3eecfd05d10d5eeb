import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { forked } from "../support/Forked.ts"
import { send, sendEvent } from "../support/Http.ts"
import type { ReceivedMetric, Value } from "../support/OtlpDecode.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { parseMetrics, type Sample } from "../support/Prometheus.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

/**
 * What a collector's exporter for Prometheus makes of a metric, by OpenTelemetry's rules: points become underscores, a
 * unit and `total` are put behind the name, units in braces aren't.
 */
const translated = ({ kind, name, numbers, points, unit }: ReceivedMetric): ReadonlyArray<Sample> => {
  assert.match(unit, /^(s|\{(?!item)[a-z]+\})$/, name)
  const base = name.replaceAll(".", "_") + (unit === "s" ? "_seconds" : "")
  const labelsOf = (attributes: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)]))
  return [
    ...numbers.map(({ attributes, value }) => ({
      ...{ name: kind === "counter" ? `${base}_total` : base, labels: labelsOf(attributes), value }
    })),
    ...points.flatMap(({ attributes, bounds, buckets, count, sum }) => {
      const labels = labelsOf(attributes)
      let below = 0
      return [
        ...buckets.map((inside, at) => {
          below += inside
          return { name: `${base}_bucket`, labels: { ...labels, le: String(bounds[at] ?? "+Inf") }, value: below }
        }),
        { name: `${base}_sum`, labels, value: sum },
        { name: `${base}_count`, labels, value: count }
      ]
    })
  ]
}

/** Whoever asks for the page is in it, and has gone when the next export is made. */
const isAboutThePage = ({ labels, name }: Sample) =>
  labels["endpoint"] === "/metrics" || name.endsWith("_http_requests_in_flight")

const comparable = (samples: ReadonlyArray<Sample>) =>
  new Map(
    samples
      .filter((sample) => !isAboutThePage(sample))
      .map(({ labels, name, value }) => [
        `${name} ${JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)))}`,
        value
      ])
  )

const isConvention = (name: string) => /^(http\.server|gen_ai)\./.test(name)

describe("what /metrics tells", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`is exported with the same values, under names that become those of the page, over ${protocol}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { backend, url } = yield* startService({
          ...exportingTo(collector),
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          METRICS_NAMESPACE: "my_own"
        })
        const usage = { prompt_tokens: 7, completion_tokens: 3 }
        backend.script({
          chat: [
            { body: { choices: [{ message: { content: "yes" }, finish_reason: "stop" }], usage } },
            { status: 500 },
            {},
            { status: 401 },
            { hang: true }
          ]
        })
        for (const status of [200, 200, 502]) {
          assert.strictEqual((yield* sendEvent(url, { content: "p" })).status, status)
        }
        const underWay = yield* forked(sendEvent(url, { content: "p" }))
        yield* eventually(() => backend.calls.length === 5)
        const inLine = yield* forked(sendEvent(url, { content: "p" }))
        const own = () => [...collector.metrics().values()].filter(({ name }) => !isConvention(name))
        yield* eventually(() => own().some(({ name, numbers }) => /queue_depth/.test(name) && numbers[0]?.value === 1))

        const page = comparable(parseMetrics((yield* send(url, { path: "/metrics" })).text))
        const exported = () => comparable(own().flatMap(translated))
        yield* eventually(() => JSON.stringify([...exported()].sort()) === JSON.stringify([...page].sort())).pipe(
          Effect.timeoutOption("3 seconds")
        )
        const last = exported()
        yield* Fiber.interruptAll([underWay, inLine])
        assert.deepStrictEqual(last, page)
        assert.isAbove(page.size, 100)

        const kinds = new Map(own().map(({ kind, name }) => [name, kind]))
        assert.strictEqual(kinds.get("my_own.backend_retries"), "counter")
        assert.strictEqual(kinds.get("my_own.backend_breaker_state"), "gauge")
        assert.strictEqual(kinds.get("my_own.queue_wait"), "histogram")
        for (const { cumulative, description, kind, name } of own()) {
          assert.isTrue(cumulative || kind === "gauge", name)
          assert.isNotEmpty(description, name)
        }
      })
    )
  }
})
