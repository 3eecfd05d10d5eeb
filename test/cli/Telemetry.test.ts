import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { send, sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { selfSigned } from "../support/SelfSigned.ts"
import { eventually } from "../support/TestService.ts"
import { startWorkers } from "../support/Workers.ts"
import { Program, type RunOptions, run, start } from "./Program.ts"

const serve = Effect.fnUntraced(function* (options?: RunOptions) {
  const backend = yield* scriptedBackend
  const service = yield* start(["serve", "--port", "0", "--koboldcpp-url", backend.url], options)
  return { backend, service, url: yield* service.url }
})

describe("ai-ticket serve, to be seen through", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("exports as it is shipped, and once more as it ends", () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { service, url } = yield* serve({
          env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: "shipped" }
        })
        yield* sendEvent(url, { content: "p" })
        service.child.kill("SIGTERM")
        assert.strictEqual(yield* service.exited, 0)
        assert.sameMembers(
          collector.spans().map(({ name }) => name),
          ["POST /event", "chat"]
        )
        assert.isTrue(collector.metrics().has("gen_ai.client.operation.duration"))
        assert.isTrue(collector.logs().some(({ body }) => body === "request"))
        assert.isTrue(collector.exports.every(({ resource }) => resource["service.name"] === "shipped"))
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect("trusts the certificates that it is told to, and no others", () =>
      Effect.gen(function* () {
        const tls = selfSigned()
        const files = yield* FileSystem.FileSystem
        const certificate = yield* files.makeTempFileScoped()
        yield* files.writeFileString(certificate, tls.cert)
        const [trusted, stranger] = [yield* otlpReceiver(200, tls), yield* otlpReceiver(200, selfSigned())]
        const { service, url } = yield* serve({
          env: {
            ...exportingTo(trusted),
            OTEL_EXPORTER_OTLP_CERTIFICATE: certificate,
            OTEL_EXPORTER_OTLP_TIMEOUT: "500",
            OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${stranger.url}/v1/logs`
          }
        })
        yield* sendEvent(url, { content: "p" })
        yield* eventually(() => trusted.spans().length === 2)
        yield* eventually(() => service.stdout().includes("an export of logs (its certificate isn't trusted)"))
        assert.strictEqual(stranger.asked(), 0)
      }).pipe(Effect.provide(NodeServices.layer))
    )

    it.effect("a wrong variable of OpenTelemetry's: one sentence, exit 2", () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* run(["serve"], { env: { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", PORT: "0" } })
        assert.strictEqual(code, 2)
        assert.strictEqual(
          stderr,
          'ai-ticket: OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": expected one of http/protobuf, http/json.\n'
        )
      })
    )

    it.effect("SIGUSR2 shows more, and the next one less", () =>
      Effect.gen(function* () {
        const { backend, service, url } = yield* serve()
        const failures = () => service.stdout().split('"message":"attempt"').length - 1
        const requests = () => service.stdout().split('"message":"request"').length - 1
        const fail = Effect.suspend(() => {
          backend.script({ chat: [{ status: 500 }, {}] })
          const wanted = requests() + 1
          return Effect.andThen(
            sendEvent(url, { content: "p" }),
            eventually(() => requests() === wanted)
          )
        })
        yield* fail
        assert.strictEqual(failures(), 0)
        service.child.kill("SIGUSR2")
        yield* eventually(() => service.stdout().includes("The log begins at DEBUG now"))
        yield* fail
        assert.strictEqual(failures(), 1)
        assert.match(service.stdout(), /"level":"DEBUG".*"message":"attempt".*"outcome":"api_server_error"/)
        service.child.kill("SIGUSR2")
        yield* eventually(() => service.stdout().includes("The log begins at INFO now"))
        yield* fail
        assert.strictEqual(failures(), 1)
      })
    )

    it.effect("SIGUSR2 shows more of every worker, each an instance of its own to the collector", () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { service, url } = yield* startWorkers(2, {
          ...exportingTo(collector),
          OTEL_RESOURCE_ATTRIBUTES: "service.instance.id=pod"
        })
        service.child.kill("SIGUSR2")
        yield* eventually(() => service.stdout().split("The log begins at DEBUG now").length === 4)
        // The line is the keeper's: each has asked it for the wait.
        const instances = () =>
          collector.exports
            .filter(({ metrics }) => metrics.some(({ name }) => name === "ai_ticket.queue_expected_wait"))
            .map(({ resource }) => resource["service.instance.id"])
        yield* Effect.repeat(send(url, { path: "/health" }), { until: () => new Set(instances()).size === 2 })
        for (const instance of instances()) assert.match(String(instance), /^pod\/./)
      })
    )
  })
})
