import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Endpoint } from "./FaultStep.ts"
import type { GenerationRequest } from "./GenerationRequest.ts"

/**
 * Where a request for text got to.
 *
 * `waiting` for its turn, `running`; then the text was `completed`, `aborted` part of the way, `disconnected` when a
 * stream's client was found gone, or `discarded` for an abort that came before its turn; or the request was `refused`
 * (busy, password, bad body), answered with a `fault` from the script, or `interrupted` because the simulator closed.
 */
export const outcomes = [
  "waiting",
  "running",
  "completed",
  "aborted",
  "disconnected",
  "discarded",
  "refused",
  "fault",
  "interrupted"
] as const
export type Outcome = (typeof outcomes)[number]

/** One request for text. Times are milliseconds since 1970. */
export interface GenerationRecord {
  readonly id: number
  readonly endpoint: Endpoint
  /** As it was asked for, with any prefix. */
  readonly path: string
  /** Whether the text came, or would have come, bit by bit. */
  readonly stream: boolean
  /** Null if the body could not be read; empty if it had none. */
  readonly genkey: string | null
  /** The first 16384 characters; null if the body could not be read. */
  readonly prompt: string | null
  readonly promptLength: number
  readonly maxTokens: number | null
  /** The other fields of the body; long ones and those past the 50th are left out. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly receivedAt: number
  /** When its turn came. */
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly outcome: Outcome
  /** Why it was refused, or which step of the script took it. */
  readonly reason: string | null
  /** Made by the model. */
  readonly tokens: number
  /** Written to the client of a stream so far. */
  readonly written: number
}

/** One abort that was received. */
export interface AbortRecord {
  readonly at: number
  /** Empty if it had none, null if it wasn't a text. */
  readonly genkey: string | null
  readonly answer: "done" | "deferred" | "refused" | "unauthorized"
  /** Whether it stopped a generation, and which. */
  readonly matched: boolean
  readonly generation: number | null
}

/** Everything since the start or the last emptying, with the latest records only. */
export interface LedgerContent {
  readonly generations: ReadonlyArray<GenerationRecord>
  readonly aborts: ReadonlyArray<AbortRecord>
  readonly totals: {
    /** HTTP requests of every kind but those to the simulator's own control routes. */
    readonly requests: number
    readonly generations: number
    readonly aborts: number
    readonly tokens: number
    /** By the outcome they ended with. */
    readonly outcomes: Readonly<Partial<Record<Outcome, number>>>
  }
}

/** The book of what came in and what became of it. */
export interface Ledger {
  readonly content: Effect.Effect<LedgerContent>
  /** Waits until the content is as wanted: for tests, in place of a sleep. */
  readonly until: (wanted: (content: LedgerContent) => boolean) => Effect.Effect<LedgerContent>
  readonly clear: Effect.Effect<void>
  readonly request: Effect.Effect<void>
  readonly open: (opening: Opening) => Effect.Effect<number>
  readonly started: (id: number) => Effect.Effect<void>
  /** The tokens of a stream that were written, all in all. */
  readonly wrote: (id: number, written: number) => Effect.Effect<void>
  readonly ended: (id: number, ending: Ending) => Effect.Effect<void>
  readonly abort: (record: Omit<AbortRecord, "at">) => Effect.Effect<void>
}

interface Opening {
  readonly endpoint: Endpoint
  readonly path: string
  readonly stream: boolean
  readonly request: GenerationRequest | undefined
}

/** How a request ended. */
export interface Ending {
  readonly outcome: Exclude<Outcome, "waiting" | "running">
  readonly reason?: string
  readonly tokens?: number
}

const promptLimit = 16_384
const keyLimit = 256
const parameterLimit = 1024

const empty: LedgerContent = {
  generations: [],
  aborts: [],
  totals: { requests: 0, generations: 0, aborts: 0, tokens: 0, outcomes: {} }
}

/** A ledger that keeps the last `size` generations and as many aborts. */
export const makeLedger = Effect.fnUntraced(function* (size: number) {
  const book = yield* SubscriptionRef.make(empty)
  let lastId = 0
  // Whatever was under way when the ledger was emptied is not in it any more, nor in its totals.
  let forgotten = 0

  const update = (change: (content: LedgerContent, now: number) => LedgerContent) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => SubscriptionRef.update(book, (content) => change(content, now)))

  const change = (id: number, fields: Partial<GenerationRecord>) => (generations: ReadonlyArray<GenerationRecord>) =>
    generations.map((record) => (record.id === id ? { ...record, ...fields } : record))

  const ledger: Ledger = {
    content: SubscriptionRef.get(book),
    until: (wanted) =>
      SubscriptionRef.changes(book).pipe(
        Stream.filter(wanted),
        Stream.runHead,
        Effect.flatMap(Effect.fromOption),
        // The changes never end while the ledger is there.
        Effect.orDie
      ),
    clear: Effect.suspend(() => {
      forgotten = lastId
      return SubscriptionRef.set(book, empty)
    }),
    request: update(({ totals, ...rest }) => ({ ...rest, totals: { ...totals, requests: totals.requests + 1 } })),
    open: (opening) =>
      Effect.suspend(() => {
        const id = ++lastId
        return Effect.as(
          update(({ aborts, generations, totals }, now) => ({
            aborts,
            generations: [...generations, firstRecord(id, opening, now)].slice(-size),
            totals: { ...totals, generations: totals.generations + 1 }
          })),
          id
        )
      }),
    started: (id) =>
      update(({ generations, ...rest }, now) => ({
        ...rest,
        generations: change(id, { outcome: "running", startedAt: now })(generations)
      })),
    wrote: (id, written) =>
      update(({ generations, ...rest }) => ({ ...rest, generations: change(id, { written })(generations) })),
    ended: (id, { outcome, reason = null, tokens = 0 }) =>
      update((content, now) => {
        if (id <= forgotten) return content
        const { aborts, generations, totals } = content
        return {
          aborts,
          generations: change(id, { outcome, reason, tokens, endedAt: now })(generations),
          totals: {
            ...totals,
            tokens: totals.tokens + tokens,
            outcomes: { ...totals.outcomes, [outcome]: (totals.outcomes[outcome] ?? 0) + 1 }
          }
        }
      }),
    abort: (record) =>
      update(({ aborts, generations, totals }, now) => ({
        generations,
        aborts: [...aborts, { ...record, genkey: record.genkey?.slice(0, keyLimit) ?? null, at: now }].slice(-size),
        totals: { ...totals, aborts: totals.aborts + 1 }
      }))
  }
  return ledger
})

const firstRecord = (id: number, { endpoint, path, request, stream }: Opening, now: number): GenerationRecord => ({
  id,
  endpoint,
  path: path.slice(0, keyLimit),
  stream,
  genkey: request?.genkey.slice(0, keyLimit) ?? null,
  prompt: request?.prompt.slice(0, promptLimit) ?? null,
  promptLength: request?.prompt.length ?? 0,
  maxTokens: request?.maxTokens ?? null,
  parameters: Object.fromEntries(
    Object.entries(request?.parameters ?? {})
      .filter(([name, value]) => name.length + (JSON.stringify(value)?.length ?? 0) <= parameterLimit)
      .slice(0, 50)
  ),
  receivedAt: now,
  startedAt: null,
  endedAt: null,
  outcome: "waiting",
  reason: null,
  tokens: 0,
  written: 0
})
