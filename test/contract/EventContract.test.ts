import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type EndpointName, type Step, scriptedBackend } from "../support/ScriptedBackend.ts"
import { jsonOf, postEvent, testService } from "../support/TestService.ts"
import corpus from "./event-cases.json" with { type: "json" }

interface Case {
  readonly id: string
  readonly request: { readonly contentType: string; readonly json?: unknown; readonly body?: string }
  readonly upstream?: Partial<Record<EndpointName, ReadonlyArray<Step>>>
  readonly expect: {
    readonly status: number
    readonly error: string | null
    readonly completion: string | null
    readonly promptSentUpstream?: string
    readonly upstreamCalls?: ReadonlyArray<string>
  }
}

const cases: ReadonlyArray<Case> = corpus.cases

describe("POST /event, case by case", () => {
  for (const { expect, id, request, upstream = {} } of cases) {
    it.live(id, () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        backend.script(upstream)
        const service = yield* testService({ KOBOLDCPP_API_URL: backend.url })
        const response = yield* postEvent(service.url, request.body ?? JSON.stringify(request.json), {
          headers: { "content-type": request.contentType }
        })
        const body = yield* jsonOf(response)
        assert.strictEqual(response.status, expect.status)
        assert.strictEqual(body["error"] ?? null, expect.error)
        assert.strictEqual(body["completion"] ?? null, expect.completion)
        if (expect.error !== null) {
          assert.strictEqual(body["status_code"], expect.status)
          assert.isString(body["message"])
          assert.property(body, "details")
        }
        const [call] = backend.calls
        if (expect.promptSentUpstream !== undefined) assert.strictEqual(call?.prompt, expect.promptSentUpstream)
        if (expect.upstreamCalls !== undefined) {
          assert.deepStrictEqual(
            backend.calls.map(({ endpoint }) => endpoint),
            expect.upstreamCalls
          )
        }
        assert.strictEqual(response.headers.get("x-request-processed-by"), "ai-ticket")
      })
    )
  }
})
