/** The bytes of a text until it is whole, in one buffer that grows: they may come one by one. */
export class Pieces {
  private bytes = Buffer.alloc(0)
  /** How many have come. */
  size = 0

  /** Takes a copy. */
  push(piece: Buffer): void {
    const size = this.size + piece.length
    if (size > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.bytes.length))
      this.bytes.copy(grown, 0, 0, this.size)
      this.bytes = grown
    }
    piece.copy(this.bytes, this.size)
    this.size = size
  }

  /** As it was sent in UTF-8, without a byte order mark. */
  text(): string {
    const text = this.bytes.toString("utf8", 0, this.size)
    return text.startsWith(byteOrderMark) ? text.slice(1) : text
  }
}

const byteOrderMark = "\ufeff"
