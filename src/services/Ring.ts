/**
 * Numbers for each of the last slots of time, in memory that is taken once: a slot that comes round again begins at zero,
 * when it is next written to.
 */
export class Ring {
  readonly #length: number
  readonly #width: number
  readonly #cells: Float64Array
  /** Which slot each place holds. */
  readonly #slots: Float64Array

  constructor({ length, width }: { readonly length: number; readonly width: number }) {
    this.#length = length
    this.#width = width
    this.#cells = new Float64Array(length * width)
    this.#slots = new Float64Array(length).fill(-1)
  }

  add(slot: number, field: number, value: number): void {
    const place = slot % this.#length
    if (this.#slots[place] !== slot) {
      this.#slots[place] = slot
      this.#cells.fill(0, place * this.#width, (place + 1) * this.#width)
    }
    const cell = place * this.#width + field
    this.#cells[cell] = (this.#cells[cell] ?? 0) + value
  }

  /** The sum of a field over so many slots, of which `last` is the last. */
  sum(field: number, last: number, count: number): number {
    let sum = 0
    for (let slot = Math.max(0, last - count + 1); slot <= last; slot++) {
      const place = slot % this.#length
      if (this.#slots[place] === slot) sum += this.#cells[place * this.#width + field] ?? 0
    }
    return sum
  }
}
