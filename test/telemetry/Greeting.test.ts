import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { eventually, greetedService } from "../support/TestService.ts"

describe("a collector", () => {
  it.live("hears all that the log says at the start", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { lines } = yield* greetedService({
        ...{ KOBOLDCPP_API_URL: "http://127.0.0.1:9/api", AI_TICKET_HOST: "0.0.0.0" },
        ...exportingTo(collector)
      })
      yield* eventually(() => lines.length >= 3 && collector.logs().length >= lines.length)
      const said: ReadonlyArray<{ readonly message: string }> = lines.map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        collector.logs().map(({ body }) => body),
        said.map(({ message }) => message)
      )
    })
  )
})
