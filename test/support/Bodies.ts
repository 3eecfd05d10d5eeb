import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const anything = Arbitrary.schema(Schema.Json)
const bit = Arbitrary.schema(Schema.Boolean)
const natural = (maximum: number) => Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum })))

const oneOf = <A>(...choices: ReadonlyArray<Arbitrary.Arbitrary<A>>): Arbitrary.Arbitrary<A> =>
  Arbitrary.flatMap(natural(choices.length - 1), (at) => choices[at] ?? Arbitrary.Constant(undefined as A))

const constants = <A>(...values: ReadonlyArray<A>) => oneOf(...values.map((value) => Arbitrary.Constant(value)))

/** Values that parsers and validators trip over. */
const awkward = constants<unknown>(
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  -0,
  2 ** 53,
  -1,
  0.5,
  "",
  " ",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "__proto__",
  "constructor",
  '{"prompt":"inner"}',
  "[[[[",
  "1e999",
  [],
  {},
  [null],
  { __proto__: null, prompt: "x" }
)

const value = oneOf<unknown>(anything, awkward)
const text = Arbitrary.schema(Schema.String)
const usable = Arbitrary.map(text, (words) => `say ${words}`)

const parameterNames = ["max_tokens", "temperature", "top_p", "top_k", "stop", "seed", "model", "stream"] as const

/** A few parameters, right and wrong ones. */
const parameters = Arbitrary.map(
  Arbitrary.array(Arbitrary.all([constants(...parameterNames), oneOf<unknown>(value, natural(2))]), { maxLength: 3 }),
  Object.fromEntries
)

const message = Arbitrary.all({
  role: oneOf<unknown>(Arbitrary.Constant("user"), value),
  content: oneOf<unknown>(usable, value)
})

const innards = oneOf<object>(
  Arbitrary.all({ prompt: oneOf<unknown>(usable, value) }),
  Arbitrary.all({ messages: oneOf<unknown>(Arbitrary.array(oneOf<unknown>(message, value), { maxLength: 4 }), value) })
)

const withParameters = (object: Arbitrary.Arbitrary<object>): Arbitrary.Arbitrary<object> =>
  Arbitrary.map(Arbitrary.all([object, parameters]), ([fields, beside]) => ({ ...fields, ...beside }))

const content = oneOf<unknown>(
  value,
  usable,
  withParameters(innards),
  Arbitrary.map(oneOf<unknown>(withParameters(innards), value), (inner) => JSON.stringify(inner)),
  Arbitrary.array(oneOf<unknown>(innards, value), { maxLength: 4 })
)

/** JSON around and in the shape of an event. */
export const jsonBodies: Arbitrary.Arbitrary<string> = Arbitrary.map(
  oneOf<unknown>(
    withParameters(Arbitrary.all({ content })),
    withParameters(Arbitrary.all({ content, id: value })),
    withParameters(Arbitrary.all({ kontent: content })),
    value
  ),
  (body) => JSON.stringify(body)
)

const bytes = Arbitrary.map(Arbitrary.array(natural(255), { maxLength: 200 }), (list) => Buffer.from(list))

/** Bytes that UTF-8 has no meaning for: a lone continuation, an overlong form, a surrogate, a cut sequence. */
const invalidUtf8 = constants(
  Buffer.from([0x80]),
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf0, 0x9f, 0x8e]),
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0])
)

const cut = Arbitrary.map(Arbitrary.all([jsonBodies, natural(99)]), ([body, percent]) =>
  Buffer.from(body).subarray(0, Math.floor((body.length * percent) / 100))
)

const spliced = Arbitrary.map(Arbitrary.all([jsonBodies, natural(99), invalidUtf8]), ([body, percent, noise]) => {
  const whole = Buffer.from(body)
  const at = Math.floor((whole.length * percent) / 100)
  return Buffer.concat([whole.subarray(0, at), noise, whole.subarray(at)])
})

const escapes = Arbitrary.map(
  constants("\\ud800", "\\udc00\\ud800", "\\u0000", "\\u000", "\\x41", "\\", "\u0001", "\u2028"),
  (sequence) => Buffer.from(`{"content":"say ${sequence}"}`)
)

const numbers = Arbitrary.map(
  Arbitrary.all([
    constants("1e999", "-1e999", "9".repeat(5000), "1e-999", "0.1e1", "-0", "01", "+1", "NaN", "0x10", "1e", "1_000"),
    constants("content", "max_tokens", "temperature", "seed", "id", "top_k")
  ]),
  ([number, field]) => Buffer.from(`{"content":"hi","${field}":${number}}`)
)

const nests = Arbitrary.map(
  Arbitrary.all({
    depth: constants(100, 5000, 40_000),
    whole: bit,
    field: constants("content", "max_tokens", "stop", "model", "id", "unknown"),
    object: bit,
    quoted: bit
  }),
  ({ depth, field, object, quoted, whole }) => {
    const open = (object ? '{"a":' : "[").repeat(depth)
    const nest = `${open}1${whole ? (object ? "}" : "]").repeat(depth) : ""}`
    return Buffer.from(`{"content":"hi","${field}":${quoted ? JSON.stringify(nest) : nest}}`)
  }
)

/** Bodies that are not JSON, hardly JSON, or JSON to choke on. */
export const byteBodies: Arbitrary.Arbitrary<Uint8Array> = oneOf<Uint8Array>(
  bytes,
  cut,
  cut,
  spliced,
  spliced,
  escapes,
  numbers,
  nests
)
