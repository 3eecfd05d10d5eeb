import { Agent, type ClientRequest, request } from "node:http"
import * as Effect from "effect/Effect"

/** A client that can leave: its request is on the wire, and `leave` closes the connection under it. */
export interface LeavingClient {
  readonly leave: () => void
  /** True once the connection is gone or the answer is there. */
  readonly settled: () => boolean
  readonly status: () => number | undefined
}

/** Sends an event on a connection of its own and does not wait for the answer. */
export const sendEvent = (url: string, event: unknown, headers: Record<string, string> = {}) =>
  Effect.sync((): LeavingClient => {
    const body = JSON.stringify(event)
    let settled = false
    let status: number | undefined
    const call: ClientRequest = request(`${url}/event`, {
      method: "POST",
      agent: new Agent({ keepAlive: false }),
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers }
    })
    call.on("response", (response) => {
      status = response.statusCode
      response.resume()
      response.on("end", () => {
        settled = true
      })
    })
    call.on("error", () => {
      settled = true
    })
    call.end(body)
    return { leave: () => void call.destroy(), settled: () => settled, status: () => status }
  })
