/** How much is kept of what has ended. */
export interface Limits {
  readonly generations: number
  /** Of all their texts together. */
  readonly characters: number
  readonly millis: number
}

/** What runs under each name, and what ran there last; times are monotonic milliseconds. */
export interface Shelf<R> {
  readonly begin: (name: string, run: R, now: number) => void
  readonly end: (name: string, run: R, now: number) => void
  /** The one that was begun last, running or ended. */
  readonly latest: (name: string, now: number) => R | undefined
  readonly running: (name: string) => ReadonlyArray<R>
  readonly counts: (now: number) => { readonly running: number; readonly remembered: number }
}

/**
 * Keeps what runs, and the latest of each name for a while after nothing of that name runs any more: bounded in number,
 * size and time, the oldest go first.
 */
export const makeShelf = <R extends { readonly text: string }>(limits: Limits): Shelf<R> => {
  const places = new Map<string, { latest: R; readonly running: Set<R> }>()
  /** When the names of which nothing runs had their end, in that order. */
  const ended = new Map<string, number>()

  const sizeOfEnded = () => {
    let size = 0
    for (const name of ended.keys()) size += places.get(name)?.latest.text.length ?? 0
    return size
  }

  const forgetOld = (now: number) => {
    let size = sizeOfEnded()
    for (const [name, at] of ended) {
      if (now - at < limits.millis && ended.size <= limits.generations && size <= limits.characters) return
      size -= places.get(name)?.latest.text.length ?? 0
      ended.delete(name)
      places.delete(name)
    }
  }

  return {
    begin: (name, run, now) => {
      forgetOld(now)
      const running = places.get(name)?.running ?? new Set()
      places.set(name, { latest: run, running: running.add(run) })
      ended.delete(name)
    },
    end: (name, run, now) => {
      const place = places.get(name)
      if (place === undefined || !place.running.delete(run)) return
      if (place.running.size === 0) ended.set(name, now)
      forgetOld(now)
    },
    latest: (name, now) => {
      forgetOld(now)
      return places.get(name)?.latest
    },
    running: (name) => [...(places.get(name)?.running ?? [])],
    counts: (now) => {
      forgetOld(now)
      let running = 0
      for (const place of places.values()) running += place.running.size
      return { running, remembered: ended.size }
    }
  }
}
