import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { send } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

describe("the span of a request", () => {
  const requests: ReadonlyArray<
    readonly [method: string, path: string, told: { name: string; method: string; route?: string; path?: string }]
  > = [
    ["GET", "/health?q=secret", { name: "GET /health", method: "GET", route: "/health", path: "/health" }],
    ["GET", "/v1/models/secret", { name: "GET /v1/models/{id}", method: "GET", route: "/v1/models/{id}" }],
    ["DELETE", "/requests/secret", { name: "DELETE /requests/{id}", method: "DELETE", route: "/requests/{id}" }],
    ["GET", "/secret", { name: "GET", method: "GET" }],
    ["PROPFIND", "/health", { name: "HTTP /health", method: "_OTHER", route: "/health", path: "/health" }],
    ["PROPFIND", "/secret", { name: "HTTP", method: "_OTHER" }]
  ]
  for (const [method, path, told] of requests) {
    it.live(`is named ${told.name} for ${method} ${path}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { url } = yield* startService(exportingTo(collector))
        yield* send(url, { method, path })
        yield* eventually(() => collector.spans().length === 1)
        const [{ attributes, name } = assert.fail("no span")] = collector.spans()
        const { "http.request.method": asked, "http.route": route, "url.path": at } = attributes
        assert.deepStrictEqual({ name, method: asked, route, path: at }, { route: undefined, path: undefined, ...told })
        assert.notInclude(JSON.stringify(attributes), "secret")
      })
    )
  }
})
