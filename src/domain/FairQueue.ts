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
 * far, so that a client with fifty waiting doesn't starve one with one, nor the other way round. A client's own requests
 * go by priority, and in the order they came; an urgent one counts for less of its client's share.
 *
 * It is plain data without a clock: who may go is decided by whoever asks for the next.
 */
export class FairQueue<W extends Waiting> {
  private readonly clients = new Map<string, Client<W>>()
  /**
   * The pass that each service moves by what it costs, shared out among all who wait. Newcomers begin there, for there is
   * no credit for having been away, and so cannot go before others for ever.
   */
  private now = 0
  /** What the latest service moves it by, once it is over. */
  private due = 0
  /** The passes of clients that have nobody waiting and are ahead of it: who comes back is no newcomer. */
  private readonly ahead = new Map<string, number>()
  private count = 0

  get size(): number {
    return this.count
  }

  add(entry: W): void {
    let client = this.clients.get(entry.client)
    if (client === undefined) {
      client = { pass: this.passOf(entry.client), waiting: [] }
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
    if (client.waiting.length > 0) return true
    this.clients.delete(entry.client)
    if (client.pass > this.now) this.ahead.set(entry.client, client.pass)
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
    const cost = 1 / priorities[chosen.priority]
    this.goOn(cost / this.clients.size)
    turn.pass += cost
    this.remove(chosen)
    return chosen
  }

  /** The service before is over, and another begins. */
  private goOn(due: number): void {
    this.now += this.due
    this.due = due
    for (const [client, pass] of this.ahead) if (pass <= this.now) this.ahead.delete(client)
  }

  /** Where a client begins: never behind all who wait, for what others were served elsewhere is not its debt. */
  private passOf(name: string): number {
    const passed = this.ahead.get(name)
    this.ahead.delete(name)
    let start = this.now
    for (const { pass } of this.clients.values()) start = Math.min(start, pass)
    return Math.max(start, passed ?? start)
  }

  /** Everybody who waits, in no order. */
  entries(): ReadonlyArray<W> {
    return [...this.clients.values()].flatMap(({ waiting }) => waiting)
  }
}
