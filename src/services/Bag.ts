interface Member<A> {
  readonly value: A
  before: Member<A> | undefined
  after: Member<A> | undefined
}

/**
 * Values that come and go with the requests in hand, in the order in which they came.
 *
 * A `Set` would do, but grows a new table every few dozen comers, and V8 links the old one to it: once one table is in the
 * old generation, all that come after it live on there until a full collection, and whole requests with them. That was a
 * tenth of a request's CPU.
 */
export class Bag<A> {
  private first: Member<A> | undefined = undefined
  private last: Member<A> | undefined = undefined

  /** Takes a value in; what it returns takes it out again, however often it is called. */
  add(value: A): () => void {
    const member: Member<A> = { value, before: this.last, after: undefined }
    if (this.last === undefined) this.first = member
    else this.last.after = member
    this.last = member
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      if (member.before === undefined) this.first = member.after
      else member.before.after = member.after
      if (member.after === undefined) this.last = member.before
      else member.after.before = member.before
      member.before = undefined
      member.after = undefined
    }
  }

  /** Those that are in it now, whoever comes or goes meanwhile. */
  values(): ReadonlyArray<A> {
    const values: Array<A> = []
    for (let member = this.first; member !== undefined; member = member.after) values.push(member.value)
    return values
  }
}
