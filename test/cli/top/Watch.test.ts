import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Stream from "effect/Stream"
import { serverEvents } from "../../../src/cli/ServerEvents.ts"
import { reconnectDelay, type Watched, watch } from "../../../src/cli/top/Watch.ts"
import { summaryOf } from "../../support/Activity.ts"
import { eventually } from "../../support/TestService.ts"

type Move = (response: ServerResponse) => void

/** A service that answers each request by the next move, and those after the last one by that. */
const scripted = (...moves: ReadonlyArray<Move>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      let asked = 0
      const server = createServer((_, response) => moves[Math.min(asked++, moves.length - 1)]?.(response))
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const begins: Move = (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(`: hello\n\ndata: ${JSON.stringify(summaryOf())}\n\n`)
}
const ends: Move = (response) => {
  begins(response)
  response.end()
}
const breaks: Move = (response) => {
  begins(response)
  setImmediate(() => response.destroy())
}
const refuses =
  (status: number, error: string): Move =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify({ error, message: "No.", status_code: status, details: null }))
  }
const says =
  (text: string): Move =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(text)
  }

const watching = (url: string, heard: Array<Watched> = []) =>
  watch(HttpClientRequest.get(url), (watched) => Effect.sync(() => void heard.push(watched))).pipe(
    Effect.provide(NodeHttpClient.layerNodeHttp)
  )

describe("who watches", () => {
  it.live(
    "connects again when the service has ended the stream, has broken it, or can't have him now",
    () =>
      Effect.gen(function* () {
        const { url } = yield* scripted(ends, refuses(503, "shutting_down"), breaks, begins)
        const heard: Array<Watched> = []
        yield* Effect.forkScoped(watching(url, heard))
        yield* eventually(() => heard.map(({ _tag }) => _tag[0]).join("") === "SLLSLS")
      }),
    20_000
  )

  it.live("doesn't begin where he isn't let in, nobody is, or somebody else is", () =>
    Effect.gen(function* () {
      const refused = yield* scripted(refuses(401, "unauthorised"))
      const busy = yield* scripted(refuses(503, "overloaded"))
      const older = yield* scripted(refuses(404, "not_found"))
      const stranger = yield* scripted(says("data: {}\n\n"))
      const outcomes = yield* Effect.forEach([refused, busy, older, stranger], ({ url }) => Effect.flip(watching(url)))
      assert.deepStrictEqual(
        outcomes.map((error) => (error._tag === "CommandFailure" ? error.outcome : error._tag)),
        ["refused", "refused", "refused", "refused"]
      )
      const nobody = yield* Effect.flip(watching("http://127.0.0.1:9"))
      assert.deepInclude(nobody, { outcome: "unreachable" })
    })
  )

  it.live("is not let in any more: that is the end", () =>
    Effect.gen(function* () {
      const { url } = yield* scripted(ends, refuses(403, "forbidden"))
      const heard: Array<Watched> = []
      assert.deepInclude(yield* Effect.flip(watching(url, heard)), { outcome: "refused", message: "No. (forbidden)" })
      assert.lengthOf(heard, 2)
    })
  )

  it.live("takes a connection on which nothing comes, no sign of life either, for one that is gone", () =>
    Effect.gen(function* () {
      const { url } = yield* scripted(says("data: one\n\n"))
      const events = yield* Stream.runCollect(
        serverEvents(HttpClientRequest.get(url), { longestSilence: "100 millis" })
      ).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))
      assert.deepStrictEqual([...events], ["one"])
    })
  )
})

describe("the wait before the next connection", () => {
  it("doubles, up to a quarter of a minute", () => {
    assert.deepStrictEqual([0, 1, 2, 5, 50].map(reconnectDelay), [500, 1000, 2000, 15_000, 15_000])
  })
})
