/** The result of a run, for people. */
import { type Books, fates } from "./books.ts"
import type { Asked } from "./clients.ts"
import type { Trouble } from "./schedule.ts"

const say = (text: string) => process.stdout.write(`${text}\n`)

const countBy = <A>(all: ReadonlyArray<A>, nameOf: (one: A) => string | undefined): string => {
  const counts = new Map<string, number>()
  for (const one of all) {
    const name = nameOf(one)
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ")
}

/** The share of those who stayed that were answered. */
export const successOf = (asked: ReadonlyArray<Asked>): number => {
  const stayed = asked.filter(({ end }) => end._tag !== "left")
  return stayed.length === 0 ? 0 : stayed.filter(({ end }) => end._tag === "answered").length / stayed.length
}

export const print = (
  asked: ReadonlyArray<Asked>,
  { account, held, latest, wrong }: Books,
  troubles: ReadonlyArray<Trouble>
): void => {
  const failures = countBy(asked, ({ end }) =>
    end._tag === "failed" ? `${end.code}${end.midway ? " midway in a stream" : ` (${end.details})`}` : undefined
  )
  say(`troubles: ${troubles.length} (${countBy(troubles, ({ kind }) => kind)})`)
  say(`requests: ${asked.length} (${countBy(asked, ({ end }) => end._tag)})`)
  if (failures !== "") say(`failures: ${failures}`)
  say(`success:  ${(successOf(asked) * 100).toFixed(2)}% of those who stayed\n`)
  const row = (name: string, generations: number | string, tokens: number | string) =>
    say(`${name.padEnd(26)}${String(generations).padStart(12)}${String(tokens).padStart(12)}`)
  row("", "generations", "tokens")
  row("begun by the simulators", account.begun.generations, account.begun.tokens)
  const meaning = {
    delivered: "= delivered",
    aborted: "+ aborted, client gone",
    lost: "+ lost with a kill",
    wasted: "+ wasted by retries"
  }
  for (const fate of fates) row(meaning[fate], account[fate].generations, account[fate].tokens)
  row("held by the clients", held.generations, held.tokens)
  say(`\nnothing was made for a client for more than ${latest} ms after it had left\n`)
  for (const sentence of wrong.slice(0, 20)) say(`wrong: ${sentence}`)
  if (wrong.length > 20) say(`wrong: ${wrong.length - 20} more`)
}
