import type { ChildProcess } from "node:child_process"

/** What Node's cluster says when it hands a connection over, and what it hears of it. */
interface Said {
  readonly act?: unknown
  readonly seq?: unknown
  readonly ack?: unknown
}

/** A connection as Node's cluster holds it. */
interface Connection {
  readonly close: () => void
}

/**
 * Closes with a worker the connections that were on their way to it. Node waits for the worker to take each of them, and
 * forgets those that it never took: their clients would wait for an answer, and in vain. Should Node come to speak in
 * another way, this does nothing.
 */
export const closeWithWorker = (child: ChildProcess): void => {
  const onTheirWay = new Map<unknown, Connection>()
  const { send } = child
  let gone = false
  child.send = (...parts: ReadonlyArray<unknown>): boolean => {
    const [message, connection] = parts as readonly [Said, unknown]
    if (message.act === "newconn" && isConnection(connection)) {
      if (gone) {
        connection.close()
        return false
      }
      onTheirWay.set(message.seq, connection)
    }
    return Reflect.apply(send, child, parts)
  }
  child.on("internalMessage", ({ ack }: Said) => onTheirWay.delete(ack))
  child.once("exit", () => {
    gone = true
    for (const connection of onTheirWay.values()) connection.close()
    onTheirWay.clear()
  })
}

const isConnection = (value: unknown): value is Connection =>
  typeof value === "object" && value !== null && "close" in value && typeof value.close === "function"
