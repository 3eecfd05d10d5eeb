import { type Priority, priorities } from "./Priority.ts"

/** Somebody who waits, for whom, and how urgently. */
export interface Waiting {
  readonly client: string
  readonly priority: Priority
}

interface Client<W> {
  /** How much of the service this client has had, as a clock that runs slower the more urgent its requests are. */
  pass: number
  readonly waiting: Array<W>
}

/**
 * A line that is fair between clients, by stride scheduling (Waldspurger, 1995): whose turn it is has had the least so
 * far, so that a client with fifty waiting doesn't starve one with one. A client's own requests go by priority, and in
 * the order they came; an urgent one counts for less of its client's share.
 *
 * It is plain data without a clock: who may go is decided by whoever asks for the next.
 */
export class FairQueue<W extends Waiting> {
  private readonly clients = new Map<string, Client<W>>()
  /** The pass of whoever was served last: newcomers begin there, for there is no credit for having been away. */
  private now = 0
  private count = 0

  get size(): number {
    return this.count
  }

  add(entry: W): void {
    let client = this.clients.get(entry.client)
    if (client === undefined) {
      client = { pass: this.now, waiting: [] }
      this.clients.set(entry.client, client)
    }
    const behind = client.waiting.findIndex((other) => priorities[other.priority] < priorities[entry.priority])
    if (behind < 0) client.waiting.push(entry)
    else client.waiting.splice(behind, 0, entry)
    this.count += 1
  }

  /** Takes somebody out who doesn't wait any more; false if nobody like that waited. */
  remove(entry: W): boolean {
    const client = this.clients.get(entry.client)
    const at = client?.waiting.indexOf(entry) ?? -1
    if (client === undefined || at < 0) return false
    client.waiting.splice(at, 1)
    this.count -= 1
    if (client.waiting.length === 0) this.clients.delete(entry.client)
    return true
  }

  /** Takes the next one out who may go. */
  next(mayGo: (entry: W) => boolean): W | undefined {
    let chosen: W | undefined
    let turn: Client<W> | undefined
    for (const client of this.clients.values()) {
      if (turn !== undefined && client.pass >= turn.pass) continue
      const first = client.waiting.find(mayGo)
      if (first === undefined) continue
      chosen = first
      turn = client
    }
    if (chosen === undefined || turn === undefined) return undefined
    this.now = turn.pass
    turn.pass += 1 / priorities[chosen.priority]
    this.remove(chosen)
    return chosen
  }

  /** Everybody who waits, in no order. */
  entries(): ReadonlyArray<W> {
    return [...this.clients.values()].flatMap(({ waiting }) => waiting)
  }
}
