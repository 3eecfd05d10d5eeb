/** What is heard of a response, in this order; after `end` or `broken` nothing more. */
export interface ResponseListener {
  readonly head: (head: ResponseHead) => void
  /** A part of what was read: whoever wants to keep it copies it. */
  readonly body: (bytes: Buffer) => void
  readonly end: () => void
  /** It can't be read, or ended before its end: nothing for a client to know more of. */
  readonly broken: () => void
}

export interface ResponseHead {
  readonly status: number
  readonly headers: ResponseHeaders
}

/**
 * By their names in small letters; of several by one name all, with commas between them, or the first where there may be
 * only one.
 */
export type ResponseHeaders = Readonly<Record<string, string | undefined>>

/** The most bytes of a head, of interim responses before it, and of what comes after the last chunk. */
const maxHeadBytes = 16 * 1024

/** The most bytes of a line that tells the size of a chunk. */
const maxLineBytes = 1024

const statusLine = /^HTTP\/1\.[01] ([1-9]\d\d)(?: [\t -~\x80-\xff]*)?$/
const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t -~\x80-\xff]*)$/
/** Zeros before a size are no part of it. */
const chunkLine = /^0*([0-9A-Fa-f]{1,12})[ \t]*(?:;|$)/
/** Said twice by a proxy that repeats what it was told, it was still done once. */
const chunked = /^chunked(?:, chunked)*$/i

/**
 * Reads one HTTP/1 response to a GET or a POST, in whatever pieces it comes (RFC 9112). It is strict: what has two
 * readings is broken.
 */
export class ResponseParser {
  private readonly listener: ResponseListener
  private state: "head" | "sized" | "until close" | "size" | "chunk" | "chunk's end" | "trailer" | "over" = "head"
  /** The beginning of a line or of a head whose end has yet to come. */
  private held: Buffer | undefined
  /** Bytes of heads and of trailers so far. */
  private headBytes = 0
  /** Bytes to come, of the body or of its chunk. */
  private left = 0
  /** The chunks of what is being read, told as one: whoever hears of a body does more for each piece than for its bytes. */
  private chunks: Array<Buffer> = []

  constructor(listener: ResponseListener) {
    this.listener = listener
  }

  /** Takes what has come. */
  read(bytes: Buffer): void {
    let rest: Buffer | undefined = this.held === undefined ? bytes : Buffer.concat([this.held, bytes])
    this.held = undefined
    while (rest !== undefined && rest.length > 0 && this.state !== "over") rest = this.step(rest)
    this.tellChunks()
  }

  /** The connection has ended. */
  close(): void {
    if (this.state === "until close") this.end()
    else this.fail()
  }

  /** Takes a part, and returns what is left of it; undefined if that has to wait for more. */
  private step(bytes: Buffer): Buffer | undefined {
    if (this.state === "head") return this.readHead(bytes)
    if (this.state === "sized" || this.state === "chunk") return this.readBody(bytes)
    if (this.state !== "until close") return this.readLine(bytes)
    this.listener.body(bytes)
    return undefined
  }

  private readHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf("\r\n\r\n")
    if (this.headBytes + (end < 0 ? bytes.length : end) > maxHeadBytes) return this.fail()
    if (end < 0) return this.hold(bytes)
    this.headBytes += end
    const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n")
    const status = Number(statusLine.exec(first)?.[1])
    const headers = readFields(lines)
    // Nobody asked for another protocol.
    if (Number.isNaN(status) || headers === undefined || status === 101) return this.fail()
    // An interim one says nothing.
    if (status >= 200) this.begin({ status, headers })
    return bytes.subarray(end + 4)
  }

  /** How long the body is: RFC 9112, 6.3. */
  private begin(head: ResponseHead): undefined {
    const { "content-length": length, "transfer-encoding": coding } = head.headers
    const empty = head.status === 204 || head.status === 304
    if (coding !== undefined && (length !== undefined || !chunked.test(coding))) return this.fail()
    if (length !== undefined && !/^\d{1,15}$/.test(length)) return this.fail()
    this.listener.head(head)
    if (empty || Number(length) === 0) return this.end()
    this.left = Number(length ?? 0)
    this.state = coding !== undefined ? "size" : length !== undefined ? "sized" : "until close"
  }

  private readBody(bytes: Buffer): Buffer | undefined {
    const taken = bytes.length <= this.left ? bytes : bytes.subarray(0, this.left)
    this.left -= taken.length
    if (this.state === "sized") this.listener.body(taken)
    else this.chunks.push(taken)
    if (this.left === 0 && this.state === "sized") this.end()
    else if (this.left === 0 && this.state === "chunk") this.state = "chunk's end"
    return taken === bytes ? undefined : bytes.subarray(taken.length)
  }

  private readLine(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf("\r\n")
    if ((end < 0 ? bytes.length : end) > maxLineBytes) return this.fail()
    if (end < 0) return this.hold(bytes)
    this.take(bytes.toString("latin1", 0, end))
    return bytes.subarray(end + 2)
  }

  private take(line: string): undefined {
    if (this.state === "chunk's end") {
      if (line !== "") return this.fail()
      this.state = "size"
    } else if (this.state === "size") {
      const size = chunkLine.exec(line)?.[1]
      if (size === undefined) return this.fail()
      this.left = Number.parseInt(size, 16)
      this.state = this.left === 0 ? "trailer" : "chunk"
    } else if (line === "") this.end()
    else {
      this.headBytes += line.length
      if (this.headBytes > maxHeadBytes) this.fail()
    }
  }

  private hold(bytes: Buffer): undefined {
    this.held = Buffer.from(bytes)
  }

  private tellChunks(): void {
    const { chunks } = this
    if (chunks.length === 0) return
    this.chunks = []
    const [only] = chunks
    this.listener.body(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks))
  }

  private end(): undefined {
    if (this.state === "over") return
    this.state = "over"
    this.tellChunks()
    this.listener.end()
  }

  private fail(): undefined {
    if (this.state === "over") return
    this.state = "over"
    this.tellChunks()
    this.listener.broken()
  }
}

/** Of those that are read here, and whose values are no list: a proxy may add its own to what is there already. */
const firstCounts = new Set(["content-type", "retry-after"])

/** Undefined if a line is none. */
const readFields = (lines: ReadonlyArray<string>): ResponseHeaders | undefined => {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name, value] = field.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    const key = name.toLowerCase()
    const before = Object.hasOwn(headers, key) ? headers[key] : undefined
    if (before !== undefined && firstCounts.has(key)) continue
    headers[key] = before === undefined ? value.trim() : `${before}, ${value.trim()}`
  }
  return headers
}
