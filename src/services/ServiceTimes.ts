/** How many times must be known before anything is said of them, and how many of the latest count. */
const least = 20
const most = 100

/** How long each of several took of late. */
export interface ServiceTimes<Whom extends object> {
  readonly took: (whom: Whom, millis: number) => void
  /** What 95 of a hundred were done within, in milliseconds; undefined while too little is known. */
  readonly p95: (whom: Whom) => number | undefined
}

export const makeServiceTimes = <Whom extends object>(): ServiceTimes<Whom> => {
  /** Latest last. */
  const known = new WeakMap<Whom, Array<number>>()
  return {
    took: (whom, millis) => {
      const times = known.get(whom) ?? []
      times.push(millis)
      if (times.length > most) times.shift()
      known.set(whom, times)
    },
    p95: (whom) => {
      const times = known.get(whom) ?? []
      if (times.length < least) return undefined
      return [...times].sort((one, other) => one - other)[Math.ceil(times.length * 0.95) - 1]
    }
  }
}
