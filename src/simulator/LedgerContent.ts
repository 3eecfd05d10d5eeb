import type { Endpoint } from "./FaultStep.ts"
import type { GenerationRequest } from "./GenerationRequest.ts"

/**
 * Where a request for text got to.
 *
 * `waiting` for its turn, `running`; then the text was `completed`, `aborted` part of the way, `disconnected` when its
 * client was found gone, or `discarded` for an abort that came before its turn; or the request was `refused`
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

/** What is known of a request when it comes. */
export interface Opening {
  readonly endpoint: Endpoint
  readonly path: string
  readonly stream: boolean
  readonly request: GenerationRequest | undefined
}

const promptLimit = 16_384
/** Characters kept of a key or a path. */
export const keyLimit = 256
const parameterLimit = 1024

/** Nothing yet. */
export const empty: LedgerContent = {
  generations: [],
  aborts: [],
  totals: { requests: 0, generations: 0, aborts: 0, tokens: 0, outcomes: {} }
}

/** A request as it is written down at first. */
export const firstRecord = (
  id: number,
  { endpoint, path, request, stream }: Opening,
  now: number
): GenerationRecord => ({
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
