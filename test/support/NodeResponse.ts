import * as Http from "node:http"
import { Duplex } from "node:stream"
import * as Effect from "effect/Effect"

/** What Node's own client makes of a response that comes as these bytes, after which the connection ends. */
export const heardByNode = (bytes: Buffer) =>
  Effect.callback<{ readonly status?: number; readonly body: string; readonly how: "end" | "broken" }>((resume) => {
    const connection = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
    const request = Http.request({ method: "POST", createConnection: () => connection })
    const broken = () => resume(Effect.succeed({ body: "", how: "broken" }))
    request.on("error", broken)
    request.on("close", broken)
    request.on("response", (response) => {
      const body: Array<Buffer> = []
      response.on("error", broken)
      response.on("data", (chunk: Buffer) => body.push(chunk))
      response.on("end", () => {
        const status = response.statusCode ?? 0
        resume(Effect.succeed({ status, body: Buffer.concat(body).toString("latin1"), how: "end" }))
      })
    })
    request.on("finish", () => {
      connection.push(bytes)
      connection.push(null)
    })
    request.end()
    return Effect.sync(() => request.destroy())
  })
