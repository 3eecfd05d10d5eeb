/** How urgent a request is: with others waiting, an urgent one is served so many times as often as one of low priority. */
export const priorities = { high: 4, normal: 2, low: 1 } as const
export type Priority = keyof typeof priorities

export const isPriority = (text: string): text is Priority => Object.hasOwn(priorities, text)

/** What a client gets that asks for `asked` and may have `most`: never more than its right. */
export const grantedPriority = (asked: Priority, most: Priority): Priority =>
  priorities[asked] <= priorities[most] ? asked : most
