import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { atRest } from "../support/AtRest.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { type Call, scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { wholeSurfaces } from "../support/WholeSurfaces.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

const requestOf = ({ path, request }: { readonly path: string; readonly request: object }) => {
  const body = JSON.stringify(request)
  return `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

const distinct = (values: Iterable<unknown>) => [...new Set(values)]

describe("a client that leaves requests behind each other on one connection", () => {
  const streamed = {
    name: "a stream",
    path: "/event",
    request: { content: "p", stream: true },
    endpoint: "chat"
  } as const
  const whole = wholeSurfaces.map(({ endpoint, name, path, request }) => ({ endpoint, name, path, request }))
  const ways = ["reset", "end"] as const
  const cases = [streamed, ...whole].flatMap((surface) => ways.map((way) => ({ surface, way, name: surface.name })))

  it.live.each(cases)("stops them all: $name, by $way", ({ surface, way }) =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      const { context, lines, url } = yield* testService({ KOBOLDCPP_API_URL: backend.url, AI_TICKET_SLOTS: "3" })
      backend.script({ [surface.endpoint]: [{ hang: true }] })
      const connection = yield* rawConnection(url)
      connection.write(requestOf(surface).repeat(3))
      yield* eventually(() => backend.calls.length === 3)
      const left = performance.now()
      connection[way]()
      yield* eventually(
        () => backend.aborts.length === 3 && backend.calls.every((call: Call) => call.closedEarlyAt !== undefined)
      )
      for (const { at } of backend.aborts) assert.isBelow(at - left, promptness)
      assert.sameMembers(
        backend.aborts.map(({ genkey }) => genkey),
        backend.calls.map(({ body }) => body["genkey"])
      )
      yield* atRest(context)
      yield* eventually(() => lines.filter((line) => line.includes('"message":"request"')).length === 3)
      const told = lines.filter((line) => line.includes('"message":"request"')).map((line) => JSON.parse(line).status)
      assert.deepStrictEqual(distinct(told), [499])
    })
  )

  it.live("stops what is behind an answer that came", () =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      const { context, url } = yield* testService({ KOBOLDCPP_API_URL: backend.url, AI_TICKET_SLOTS: "3" })
      backend.script({ chat: [{}, { hang: true }] })
      const connection = yield* rawConnection(url)
      connection.write(requestOf({ path: "/event", request: { content: "p" } }).repeat(3))
      yield* eventually(() => backend.calls.length === 3)
      yield* connection.receive(1)
      const left = performance.now()
      connection.reset()
      yield* eventually(() => backend.aborts.length === 2)
      for (const { at } of backend.aborts) assert.isBelow(at - left, promptness)
      yield* atRest(context)
    })
  )
})
