import * as Schema from "effect/Schema"

/** The three ways to ask for text. */
export const Endpoint = Schema.Literals(["chat", "completion", "generate"])
export type Endpoint = typeof Endpoint.Type

const millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))
const seconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))

/** The kinds without settings of their own. */
export const plainKinds = ["ok", "reset", "close", "malformed", "shape", "null", "empty"] as const

/** The kinds that happen part of the way through an answer. */
export const partWayKinds = ["cut", "end", "stall", "garbage", "error"] as const

const StatusFault = Schema.Struct({
  kind: Schema.Literal("status"),
  status: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 })),
  /** `Retry-After` in seconds, written as a number or as the HTTP date so many seconds from the answer. */
  retryAfter: Schema.optionalKey(Schema.Struct({ form: Schema.Literals(["seconds", "date"]), seconds })),
  /** Instead of the body that the real server sends with this status. */
  body: Schema.optionalKey(Schema.String)
})

const DripFault = Schema.Struct({
  kind: Schema.Literal("drip"),
  everyMillis: millis,
  /** Bytes sent each time. */
  bytes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_536 }))
})

const PartWayFault = Schema.Struct({
  kind: Schema.Literals(partWayKinds),
  /** Tokens of a stream that come first; an answer that comes whole has no such place. */
  after: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })))
})
export type PartWayFault = typeof PartWayFault.Type
export const isPartWay = Schema.is(PartWayFault)

const PlainFault = Schema.Struct({ kind: Schema.Literals(plainKinds) })

/** What goes wrong; `ok` is a request that is served as usual. */
export const Fault = Schema.Union([StatusFault, DripFault, PartWayFault, PlainFault])
export type Fault = typeof Fault.Type

/**
 * One step of a script, as it is written:
 *
 * `[chat/|completion/|generate/|any/] kind [:setting=value]... [*times | * | @percent%]`
 *
 * | kind | what the client sees | of a stream |
 * |---|---|---|
 * | `200` to `599` | that status; settings `retry-after=2`, `retry-after-date=2` (seconds), `body=text` | the same |
 * | `ok` | an ordinary answer | the same |
 * | `reset`, `close` | the connection reset, or closed, before any answer | the same |
 * | `cut` | an ordinary answer, reset in the middle of its body | reset part of the way |
 * | `end` | the same, but closed as if that were all | closed part of the way, without a reason for the end |
 * | `stall` | accepted and never answered | the same, but with `after` silent for ever part of the way |
 * | `garbage` | as `malformed` | an event that isn't JSON part of the way, and the rest |
 * | `error` | a 500 | an event that tells an error part of the way, then closed |
 * | `drip` | an ordinary answer, sent slowly; settings `every=100` (milliseconds), `bytes=8` | the same |
 * | `malformed`, `shape` | a 200 that is not JSON, or JSON of another shape | the only event is that |
 * | `null`, `empty` | a 200 with body `null`, or with an empty text | the only event is that |
 *
 * Part of the way is after so many tokens, as in `cut:after=3`, or after half of them, and at the end of a text that
 * has less. A stream that stalls there keeps the model, until it is aborted or its client leaves.
 *
 * Every kind takes `delay=` (milliseconds before anything else). `*3` is three times, `*` alone for ever, `@10%` a
 * tenth of the requests that no other step takes, drawn by the seed. In a value, `%2C` stands for a comma and so on:
 * the characters `, : * @ %` and white space are written that way.
 */
export const FaultStep = Schema.Struct({
  endpoint: Schema.Literals([...Endpoint.literals, "any"]),
  fault: Fault,
  delayMillis: millis,
  repeat: Schema.Union([
    Schema.Struct({
      mode: Schema.Literal("times"),
      times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
    }),
    Schema.Struct({ mode: Schema.Literal("forever") }),
    Schema.Struct({
      mode: Schema.Literal("share"),
      percent: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))
    })
  ])
})
export type FaultStep = typeof FaultStep.Type
