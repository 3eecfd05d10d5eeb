import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Service from "../../src/Service.ts"
import * as Logging from "../../src/services/Logging.ts"
import { Settings } from "../../src/services/Settings.ts"

const start = Effect.fnUntraced(function* (service: typeof Service.layer, settings: Readonly<Record<string, string>>) {
  const lines: Array<string> = []
  const context = yield* Layer.build(
    service.pipe(
      Layer.provide(Logging.layer((line) => void lines.push(line), { terminal: false })),
      Layer.provide(Settings.layerRecord({ PORT: "0", RATE_LIMIT_REQUESTS: "0", ...settings }))
    )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  return { url: HttpServer.formatAddress(address), lines, context }
})

/** The whole service on a free port, with the settings a test gives it, and its log lines as they are written. */
export const testService = (settings: Readonly<Record<string, string>>) => start(Service.layer, settings)

/** The same as `serve` starts it: it looks at its backends, so that they are asked once more than by `testService`. */
export const greetedService = (settings: Readonly<Record<string, string>>) => start(Service.greeted, settings)

/** Sends a JSON body to `POST /event`. */
export const postEvent = (url: string, body: unknown, options: RequestInit = {}) =>
  Effect.promise(() =>
    fetch(`${url}/event`, {
      method: "POST",
      ...options,
      headers: { "content-type": "application/json", ...options.headers },
      body: typeof body === "string" ? body : JSON.stringify(body)
    })
  )

/** The decoded JSON of a response, as loosely typed as what comes over a wire. */
export const jsonOf = (response: Response) => Effect.promise(() => response.json() as Promise<Record<string, unknown>>)

/** Waits until a condition holds, looking every few milliseconds; the test's own timeout ends a hopeless wait. */
export const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), eventually(condition))))
