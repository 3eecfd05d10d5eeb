import type { Activity } from "../../domain/Activity.ts"
import type { Priority } from "../../domain/Priority.ts"
import type { RequestName } from "../Cancellations.ts"
import type { GoodFile, WatchedFile } from "./LastGoodFile.ts"

/** What goes between the workers of a machine and their keeper, as JSON: both ends are the same program. */

/** A backend, as whoever keeps the line has to know it. */
export interface Offer {
  readonly name: string
  readonly slots: number
  readonly weight: number
}

/** Somebody asks for a slot. */
export interface Entering {
  readonly tell: "enter"
  readonly visit: number
  readonly client: string
  readonly priority: Priority
  /** The backends that would do, the better ones first. */
  readonly tiers: ReadonlyArray<ReadonlyArray<Offer>>
  /** Whether it takes one that is free now, or none. */
  readonly free: boolean
  readonly queueLimit: number
  /** Not there if it has all the time. */
  readonly millisLeft?: number
}

export type ToKeeper =
  | { readonly tell: "up" }
  | { readonly tell: "metrics"; readonly text: string }
  | { readonly tell: "activity"; readonly activity: Activity }
  /** A file that it goes by from now on. */
  | { readonly tell: "file"; readonly which: WatchedFile; readonly file: GoodFile }
  | Entering
  /** What somebody waits for has changed. */
  | { readonly tell: "among"; readonly visit: number; readonly among: ReadonlyArray<Offer> }
  /** It waits no more, or is done with its slot; without a time, it made no use of it. */
  | { readonly tell: "leave"; readonly visit: number; readonly heldMillis?: number }
  /** A generation is about to begin that goes on at its backend unless it is aborted by that key. */
  | { readonly tell: "begun"; readonly visit: number; readonly genkey: string }

export type ToLine =
  | { readonly tell: "granted"; readonly visit: number; readonly lane: string }
  | { readonly tell: "refused"; readonly visit: number; readonly retryAfterMillis: number }

export type ToWorker =
  | ToLine
  /** Another has taken its place: no new connections, and an end once those that there are have been told. */
  | { readonly tell: "retire" }
  /** The whole service ends. */
  | { readonly tell: "drain" }

/** A question by name: what it is about, and its answer. */
export type Questions = Readonly<Record<string, { readonly about: unknown; readonly answer: unknown }>>

/** A generation by its client's name for it. */
export interface GenerationName {
  readonly owner: string
  readonly genkey: string
}

/** What a generation has come to, and how long ago it began. */
export interface FoundText {
  readonly text: string
  readonly ageMillis: number
}

/** Of what is known under one name, what was begun last. */
export const latestOf = (one: FoundText | null, other: FoundText | null): FoundText | null =>
  one === null || (other !== null && other.ageMillis < one.ageMillis) ? other : one

/** What one worker is asked for another. */
type Elsewhere = {
  readonly cancel: { readonly about: RequestName; readonly answer: boolean }
  readonly text: { readonly about: GenerationName; readonly answer: FoundText | null }
  readonly abort: { readonly about: GenerationName; readonly answer: boolean }
}

export type KeeperQuestions = Elsewhere & {
  readonly limit: {
    readonly about: {
      readonly key: string
      readonly tokens: number
      readonly refillMillis: number
      readonly limit: number | undefined
    }
    readonly answer: readonly [count: number, millis: number]
  }
  /** The last one that could be used; null if none could, or who asks is to use none but the present one. */
  readonly file: { readonly about: WatchedFile; readonly answer: GoodFile | null }
  /** The metrics of all. */
  readonly metrics: { readonly about: null; readonly answer: string }
  /** What all have done of late; null if none has told. */
  readonly activity: { readonly about: null; readonly answer: Activity | null }
  readonly line: {
    /** Of which backends the expected wait is. */
    readonly about: ReadonlyArray<Offer>
    readonly answer: {
      readonly waiting: number
      readonly inUse: number
      readonly expectedWait: number
      readonly inUseOf: Readonly<Record<string, number>>
    }
  }
}

export type WorkerQuestions = Elsewhere & {
  /** Its own metrics. */
  readonly metrics: { readonly about: null; readonly answer: string }
  readonly activity: { readonly about: null; readonly answer: Activity | null }
  /** Aborts what a worker that is no more has left at a backend. */
  readonly settle: {
    readonly about: { readonly backend: string; readonly genkey: string }
    readonly answer: null
  }
}
