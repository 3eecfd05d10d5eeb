/** What the simulators did, held against what the clients got. */
import { readFileSync } from "node:fs"
import type { GenerationRecord } from "../../src/simulator/LedgerContent.ts"
import { planText } from "../../src/simulator/Text.ts"
import type { Asked } from "./clients.ts"
import type { Backend } from "./schedule.ts"
import type { Run } from "./simulators.ts"

/** A generation that a simulator began. */
interface Work {
  readonly backend: Backend
  readonly record: GenerationRecord
}

/** What became of a generation; for each so many, and so many tokens. */
export const fates = ["delivered", "aborted", "lost", "wasted"] as const
export type Fate = (typeof fates)[number]
export type Account = Readonly<Record<Fate | "begun", { generations: number; tokens: number }>>

export interface Books {
  readonly account: Account
  /** How long a generation went on for a client that had left, at most, in milliseconds. */
  readonly latest: number
  /** Tokens of the texts that clients hold. */
  readonly held: { generations: number; tokens: number }
  /** Each sentence is something that must not be. */
  readonly wrong: ReadonlyArray<string>
}

/** How long a generation may go on after its request has ended: an abort has to get there. */
const graceMillis = 1500

/** The last word of a journal on each request; the last line of one that was killed may be cut. */
export const readJournal = ({ backend, journal }: Run): ReadonlyArray<Work> => {
  const records = new Map<number, GenerationRecord>()
  for (const line of readFileSync(journal, "utf8").split("\n").slice(0, -1)) {
    const record: GenerationRecord = JSON.parse(line)
    records.set(record.id, record)
  }
  return [...records.values()].filter(({ startedAt }) => startedAt !== null).map((record) => ({ backend, record }))
}

const idOf = ({ prompt }: GenerationRecord) => Number(/#(\d+) /.exec(prompt ?? "")?.[1])

/** The text that a generation made, had it run to its end. */
const planOf = ({ endpoint, maxTokens, prompt }: GenerationRecord) => {
  const whole = prompt ?? ""
  return planText({
    prompt: whole,
    topic: endpoint === "chat" ? whole.replace(/^user: /, "").replace(/\n$/, "") : whole,
    ...{ seed: -1, maxTokens: maxTokens ?? 0, stop: [], trimStop: true, endless: false }
  })
}

const killed = ({ record: { outcome } }: Work) => outcome === "running" || outcome === "waiting"

/** It was made whole, and sent as it should be. */
const sound = ({ record: { outcome, reason } }: Work) =>
  outcome === "completed" && !/^(\w+\/)?(cut|end|garbage|error)/.test(reason ?? "")

/** Puts every generation to an end of its own, and every answer to a generation. */
export const balance = (asked: ReadonlyArray<Asked>, works: ReadonlyArray<Work>): Books => {
  const wrong: Array<string> = []
  const account = {
    begun: { generations: 0, tokens: 0 },
    ...{ delivered: { generations: 0, tokens: 0 }, aborted: { generations: 0, tokens: 0 } },
    ...{ lost: { generations: 0, tokens: 0 }, wasted: { generations: 0, tokens: 0 } }
  }
  let latest = 0
  const held = { generations: 0, tokens: 0 }
  const enter = (fate: Fate, { record }: Work, tokens = record.tokens) => {
    for (const one of [account.begun, account[fate]]) {
      one.generations += 1
      one.tokens += tokens
    }
  }
  const worksOf = new Map<number, Array<Work>>()
  for (const work of works) {
    const id = idOf(work.record)
    const made = worksOf.get(id)
    if (made === undefined) worksOf.set(id, [work])
    else made.push(work)
  }
  const known = new Set(asked.map(({ id }) => id))
  for (const [id, made] of worksOf) {
    if (!known.has(id)) wrong.push(`${made.length} generations are for #${id}, which nobody asked`)
  }

  for (const { end, endedAt, id, stream } of asked) {
    const made = worksOf.get(id) ?? []
    const who = `#${id} (${end._tag}${stream ? ", a stream" : ""})`
    if (end._tag === "amiss") wrong.push(`${who} got no proper answer: ${end.why}`)

    const isDelivered = (work: Work) =>
      end._tag === "answered" &&
      (end.backend ?? work.backend.name) === work.backend.name &&
      planOf(work.record).text.trim() === end.text.trim()
    // A stream's end is sent before it is written down: a kill in between leaves it delivered and unrecorded.
    const delivered =
      made.find((work) => sound(work) && isDelivered(work)) ?? made.find((work) => killed(work) && isDelivered(work))
    if (end._tag === "answered" && delivered === undefined) wrong.push(`${who} holds a text that nobody made for it`)

    for (const work of made) {
      const { record } = work
      const where = `${who}, generation ${record.id} of ${work.backend.name} (${record.outcome} ${record.reason ?? ""})`
      const late = record.endedAt === null ? 0 : record.endedAt - endedAt
      if (end._tag === "left") latest = Math.max(latest, late)
      if (late > graceMillis) wrong.push(`${where} ran on for ${late} ms`)
      if (work === delivered && end._tag === "answered") {
        const { length } = planOf(record).tokens
        enter("delivered", work, killed(work) ? length : record.tokens)
        held.generations += 1
        held.tokens += length
        if (!killed(work) && record.tokens !== length)
          wrong.push(`${where} made ${record.tokens} tokens, not ${length}`)
        // KoboldCpp doesn't count in its streams.
        const counts = !stream || work.backend.kind === "openai"
        if (counts && end.tokens !== length) wrong.push(`${where} was told as ${end.tokens} tokens, not ${length}`)
      } else if (killed(work)) enter("lost", work)
      else if (end._tag === "left") enter("aborted", work)
      else {
        enter("wasted", work)
        if (sound(work) && end._tag === "failed") wrong.push(`${where} was made whole, and its client told ${end.code}`)
      }
    }
  }
  return { account, held, latest, wrong }
}
