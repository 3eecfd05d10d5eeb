import { createConnection, type Socket } from "node:net"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import { eventually } from "./TestService.ts"

/** A thread that listens and then stands still, so that nobody takes the connections that are made. */
const standingStill = `
  const { parentPort, workerData } = require("node:worker_threads")
  const server = require("node:net").createServer()
  server.listen(0, "127.0.0.1", 1, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(workerData, 0, 0))
  })`

/** As many connections as the system takes for it: the backlog and one more. */
const untaken = 2

/** The url of a port at which a connection is neither refused nor ever there, as at a host behind a firewall. */
export const deafPort = Effect.acquireRelease(
  Effect.callback<{ readonly worker: Worker; readonly port: number; readonly sockets: ReadonlyArray<Socket> }>(
    (resume) => {
      const worker = new Worker(standingStill, { eval: true, workerData: new Int32Array(new SharedArrayBuffer(4)) })
      worker.on("message", (port: number) => {
        const sockets = Array.from({ length: untaken }, () => createConnection({ host: "127.0.0.1", port }))
        resume(Effect.succeed({ worker, port, sockets }))
      })
    }
  ),
  ({ sockets, worker }) =>
    Effect.promise(() => {
      for (const socket of sockets) socket.destroy()
      return worker.terminate()
    })
).pipe(
  Effect.tap(({ sockets }) => eventually(() => sockets.every(({ connecting }) => !connecting))),
  Effect.map(({ port }) => `http://127.0.0.1:${port}`)
)
