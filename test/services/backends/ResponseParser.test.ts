import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ResponseParser } from "../../../src/services/backends/ResponseParser.ts"
import { heardByNode } from "../../support/NodeResponse.ts"

/** What is heard of a response, told in one line. */
interface Heard {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body: string
  readonly how: "end" | "broken" | "waiting"
}

/** Reads the pieces one after the other; `closed` says whether the connection ends after them. */
const heardOf = (pieces: ReadonlyArray<string | Buffer>, closed = true): Heard => {
  const body: Array<Buffer> = []
  let head: Pick<Heard, "status" | "headers"> = {}
  let how: Heard["how"] = "waiting"
  const over = (as: "end" | "broken") => () => {
    assert.strictEqual(how, "waiting")
    how = as
  }
  const parser = new ResponseParser({
    head: (told) => {
      assert.deepStrictEqual(head, {})
      head = told
    },
    body: (bytes) => {
      assert.strictEqual(how, "waiting")
      body.push(Buffer.from(bytes))
    },
    end: over("end"),
    broken: over("broken")
  })
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    parser.read(bytes)
    // It is read into again.
    bytes.fill("?")
  }
  if (closed) parser.close()
  return { ...head, body: Buffer.concat(body).toString("latin1"), how }
}

const response = (...lines: ReadonlyArray<string>) => lines.join("\r\n")

const whole = [
  ["a body of a length", response("HTTP/1.1 200 OK", "Content-Length: 5", "", "hello"), "hello"],
  ["one that ends with the connection", response("HTTP/1.0 200 OK", "", "hello"), "hello"],
  [
    "one in chunks",
    response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "3", "hel", "2;x=1", "lo", "0", "", ""),
    "hello"
  ],
  ["a trailer", response("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked", "", "1", "a", "0", "X: y", "", ""), "a"],
  [
    "one in chunks, said twice, of padded sizes",
    response(
      ...["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", ""],
      ...["0000000000000002", "hi", "00000000", "", ""]
    ),
    "hi"
  ],
  ["no body", response("HTTP/1.1 204 No Content", "", ""), ""],
  ["a body of nothing", response("HTTP/1.1 200 OK", "Content-Length: 0", "", ""), ""],
  ["an interim response", response("HTTP/1.1 103 Early Hints", "Link: x", "", "HTTP/1.1 204", "", ""), ""],
  ["a status alone", response("HTTP/1.1 204", "", ""), ""]
] as const

const broken = [
  ["another protocol", "SSH-2.0-x\r\n\r\n"],
  ["a newer HTTP", "HTTP/2.0 200 OK\r\n\r\n"],
  ["no status", "HTTP/1.1 OK\r\n\r\n"],
  ["a line that ends within the first", response("HTTP/1.1 200 OK\nContent-Length: 2", "", "hi")],
  ["a field with a NUL", response("HTTP/1.1 200 OK", "X: a\0b", "Content-Length: 2", "", "hi")],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["a line that is no field", response("HTTP/1.1 200 OK", "Content-Length 5", "", "hello")],
  ["a space before the colon", response("HTTP/1.1 200 OK", "Content-Length : 5", "", "hello")],
  ["a folded field", response("HTTP/1.1 200 OK", "X: a", " b", "Content-Length: 0", "", "")],
  ["two lengths", response("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6", "", "hello")],
  ["a length that is none", response("HTTP/1.1 200 OK", "Content-Length: -5", "", "hello")],
  ["a length beyond numbers", response("HTTP/1.1 200 OK", "Content-Length: 9999999999999999", "", "hello")],
  [
    "a length and chunks",
    response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Length: 5", "", "0", "", "")
  ],
  ["another coding", response("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked", "", "0", "", "")],
  [
    "a chunk of less than nothing",
    response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "-5", "hello", "0", "", "")
  ],
  [
    "a chunk longer than it says",
    response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2", "hello", "0", "", "")
  ],
  ["a change of protocol", response("HTTP/1.1 101 Switching Protocols", "Upgrade: x", "", "")],
  ["a head without an end", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(4000)}`],
  ["interim responses without an end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)],
  ["a chunk's size without an end", response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "0".repeat(5000))],
  [
    "trailers without an end",
    `${response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "0")}\r\n${"X: y\r\n".repeat(9000)}`
  ]
] as const

describe("ResponseParser", () => {
  for (const [name, text, body] of whole) {
    it(`reads ${name}, however it is cut`, () => {
      for (let cut = 0; cut <= text.length; cut++) {
        assert.deepInclude(heardOf([text.slice(0, cut), text.slice(cut)]), { body, how: "end" })
      }
      assert.deepInclude(heardOf([...text]), { body, how: "end" })
    })
  }

  for (const [name, text] of broken) {
    it(`refuses ${name}, before the connection ends`, () => {
      assert.strictEqual(heardOf([text], false).how, "broken")
      assert.strictEqual(heardOf([...text], false).how, "broken")
    })
  }

  it("is broken by the end of the connection anywhere before the response's own", () => {
    for (const [, text] of whole) {
      // What ends with the connection is whole once its head is.
      if (text.startsWith("HTTP/1.0")) continue
      for (let cut = 0; cut < text.length; cut++) assert.strictEqual(heardOf([text.slice(0, cut)]).how, "broken")
    }
  })

  it("hears nothing of what comes after the response", () => {
    const text = response("HTTP/1.1 200 OK", "Content-Length: 2", "", "hi")
    assert.deepInclude(heardOf([`${text}HTTP/1.1 500 No`, text]), { status: 200, body: "hi", how: "end" })
  })

  it("tells the chunks that come together together", () => {
    const told: Array<string> = []
    const parser = new ResponseParser({
      head: () => told.push("head"),
      body: (bytes) => told.push(bytes.toString()),
      end: () => told.push("end"),
      broken: () => told.push("broken")
    })
    parser.read(Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(100)}3\r\nab`))
    parser.read(Buffer.from(`c\r\n${"1\r\ny\r\n".repeat(3)}x`))
    assert.deepStrictEqual(told, ["head", `${"x".repeat(100)}ab`, "cyyy"])
    parser.read(Buffer.from("y\r\n"))
    assert.deepStrictEqual(told.slice(3), ["broken"])
  })

  it("tells headers by their small names, all of them", () => {
    const head = response(
      "HTTP/1.1 503 Busy",
      "Retry-After:  7 ",
      "X-A: 1",
      "x-a: 2",
      "__proto__: x",
      "X-Empty:",
      "Retry-After: 8",
      "Content-Type: text/event-stream",
      "Content-Type: text/html",
      "",
      ""
    )
    const { headers, status } = heardOf([head])
    assert.strictEqual(status, 503)
    assert.deepInclude(headers, { "retry-after": "7", "x-a": "1, 2", "x-empty": "" })
    assert.strictEqual(headers?.["content-type"], "text/event-stream")
    assert.isUndefined(headers?.["content-length"])
  })

  it.effect.prop(
    "hears what Node's own client hears, however it is cut",
    { written: Response, cuts: Schema.Array(Share).check(Schema.isMaxLength(8)) },
    ({ cuts, written }) =>
      Effect.gen(function* () {
        const bytes = Buffer.from(textOf(written), "latin1")
        const places = [0, ...cuts.map((cut) => Math.floor(bytes.length * cut)).sort((a, b) => a - b), bytes.length]
        const heard = heardOf(places.slice(1).map((place, at) => bytes.subarray(places[at], place)))
        const byNode = yield* heardByNode(bytes)
        assert.strictEqual(heard.how, byNode.how)
        if (byNode.how === "end") assert.deepInclude(heard, byNode)
      }),
    { arbitrary: { runs: 500 } }
  )
})

const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

/** A response, and how much of it comes. */
const Response = Schema.Struct({
  version: Schema.Literals(["1.0", "1.1"]),
  status: Schema.Literals([200, 204, 304, 400, 503]),
  interim: Schema.Boolean,
  framing: Schema.Literals(["length", "chunks", "connection", "wrong length", "both"]),
  pieces: Schema.Array(Schema.String.check(Schema.isMaxLength(20))).check(Schema.isMaxLength(4)),
  share: Schema.Literals([1, 1, 1, 0.3, 0.7, 0.95])
})

const textOf = ({ framing, interim, pieces, share, status, version }: typeof Response.Type): string => {
  // What comes after the end makes no difference here, and is an error there.
  const said = status === 204 || status === 304 ? [] : pieces
  const texts = said.map((piece) => Buffer.from(piece).toString("latin1")).filter((piece) => piece !== "")
  const body = texts.join("")
  const length = `Content-Length: ${body.length + (framing === "wrong length" ? 1 : 0)}`
  const chunked = "Transfer-Encoding: chunked"
  const fields = {
    length: [length],
    "wrong length": [length],
    connection: [],
    chunks: [chunked],
    both: [chunked, length]
  }
  const chunks = said.length > 0 && (framing === "chunks" || framing === "both")
  const sent = chunks
    ? [...texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`), "0\r\n\r\n"].join("")
    : body
  const head = response(`HTTP/${version} ${status} Word`, "Content-Type: text/plain", ...fields[framing], "", "")
  const all = `${interim ? "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" : ""}${head}${sent}`
  return all.slice(0, Math.floor(all.length * share))
}
