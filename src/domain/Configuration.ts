import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** Where a secret is found; it never stands in the file itself. */
const SecretSource = Schema.Union([
  Schema.Struct({ env: Schema.String.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/)) }),
  Schema.Struct({ file: Schema.NonEmptyString })
])
export type SecretSource = typeof SecretSource.Type

const Name = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9._-]{0,62}$/, {
    message: "lower-case letters, digits, dots, dashes and underscores, 63 at most"
  })
)

const BackendUrl = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const url = Result.getOrUndefined(Result.try(() => new URL(text)))
    const plain = url !== undefined && url.username + url.password + url.search + url.hash === ""
    return (plain && /^https?:$/.test(url.protocol)) || "an http or https URL without credentials, query or fragment"
  })
)

const withDefault = <S extends Schema.Top>(schema: S, value: S["Type"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

const seconds = Schema.Finite.check(Schema.isBetween({ minimum: 0.1, maximum: 86_400 }))

/** One backend, whatever its kind. */
const backendFields = {
  /** As it is called in answers, logs and metrics. */
  name: Name,
  /** A KoboldCpp's with or without `/api`; another server's with its `/v1`. */
  url: BackendUrl,
  key: Schema.optionalKey(SecretSource),
  /** The model it is asked for, whatever the client calls it. */
  model: Schema.optionalKey(Schema.NonEmptyString),
  /** Requests at once; `AI_TICKET_SLOTS` for a KoboldCpp, 8 for another server, if not given. */
  slots: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1024 }))),
  /** Its share beside the others of its priority. */
  weight: withDefault(Schema.Finite.check(Schema.isBetween({ minimum: 0.01, maximum: 100 })), 1),
  /** 1 first; a later one is used only while none of the earlier is up. */
  priority: withDefault(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })), 1),
  timeouts: withDefault(
    Schema.Struct({
      /** For a whole answer, or the first token of a stream: then the next backend is asked. */
      answer_seconds: Schema.optionalKey(seconds),
      /** For a connection to be there; 3 seconds if not given. */
      connect_seconds: Schema.optionalKey(seconds),
      /** Between two pieces of a stream: then it is broken off, and the generation aborted; for ever if not given. */
      silence_seconds: Schema.optionalKey(seconds)
    }),
    {}
  ),
  /** When it is asked how it is, unless its answers say so; `false` for one that can't tell while it generates. */
  probe: withDefault(
    Schema.Union([Schema.Literal(false), Schema.Struct({ every_seconds: withDefault(seconds, 10) })]),
    { every_seconds: 10 }
  )
}

/** One backend, and by which of the adapters it is spoken to: `koboldcpp`, if the file doesn't say. */
const backendEntry = <Kind extends string>(kinds: ReadonlyArray<Kind>) =>
  Schema.Struct({ ...backendFields, kind: Schema.optionalKey(Schema.Literals(kinds)) })
export type BackendEntry<Kind extends string> = ReturnType<typeof backendEntry<Kind>>["Type"]

const within = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** How many answers of a route are kept, and for how long. */
const CacheEntry = Schema.Struct({
  max_entries: withDefault(within(1, 1_000_000), 1000),
  max_age_seconds: withDefault(seconds, 3600),
  /** Of all of them together. */
  max_bytes: withDefault(within(1024, 1024 ** 4), 64 * 1024 ** 2)
})
export type CacheEntry = typeof CacheEntry.Type

/** When a second backend is asked as well. */
const HedgeRule = Schema.Struct({
  /** Milliseconds without an answer. */
  after_ms: Schema.optionalKey(within(1, 86_400_000)),
  /** Longer than 95 of a hundred answers of that backend took. */
  after: Schema.optionalKey(Schema.Literal("p95"))
}).check(
  Schema.makeFilter(
    ({ after, after_ms }) => (after === undefined) !== (after_ms === undefined) || "after_ms or after: one of both"
  )
)
export type HedgeRule = typeof HedgeRule.Type

/** Which models go where. */
const RouteEntry = Schema.Struct({
  /** Names of models; `*` stands for anything. */
  models: Schema.NonEmptyArray(Schema.NonEmptyString),
  /** Names of backends, in the order in which they are tried. */
  backends: Schema.NonEmptyArray(Name),
  /** Equal deterministic requests in flight share one generation. */
  coalesce: Schema.optionalKey(Schema.Boolean),
  /** Equal deterministic requests get the answer that was given before. */
  cache: Schema.optionalKey(CacheEntry),
  /** Whose requests may be equal: each client's own, if not given. */
  share: Schema.optionalKey(Schema.Literals(["client", "all"])),
  /** Whether slow answers are asked for a second time, elsewhere. */
  hedge: Schema.optionalKey(HedgeRule)
})
export type RouteEntry = typeof RouteEntry.Type

const entriesOf = <Kind extends string>(kinds: ReadonlyArray<Kind>) =>
  Schema.Struct({
    backends: Schema.NonEmptyArray(backendEntry(kinds)),
    /** The first that matches a request's model counts; without one that does, every backend may be asked. */
    routes: withDefault(Schema.Array(RouteEntry), [])
  })

/** The backends and routes of a settings file. */
export type Configuration<Kind extends string> = ReturnType<typeof entriesOf<Kind>>["Type"]

/** One thing that is wrong, and where. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Reads a file's value, whose backends are of those kinds; every problem is told, each with its path. */
export const decodeConfiguration = <Kind extends string>(
  kinds: ReadonlyArray<Kind>,
  value: unknown
): Result.Result<Configuration<Kind>, ReadonlyArray<Problem>> => {
  const decode = Schema.decodeUnknownResult(entriesOf(kinds))
  const entries = decode(value, { errors: "all", onExcessProperty: "error" })
  if (Result.isFailure(entries)) {
    const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(entries.failure.issue)
    return Result.fail(issues.map(({ message, path }) => ({ path: pathText(path ?? []), message })))
  }
  const problems = crossProblems(entries.success)
  return problems.length === 0 ? Result.succeed(entries.success) : Result.fail(problems)
}

/** What no single entry shows. */
const crossProblems = ({ backends, routes }: Configuration<string>): ReadonlyArray<Problem> => {
  const names = backends.map(({ name }) => name)
  const twice = names.flatMap((name, at) =>
    names.indexOf(name) === at ? [] : [{ path: `backends[${at}].name`, message: `"${name}" stands there twice` }]
  )
  const unknown = routes.flatMap((route, at) =>
    route.backends.flatMap((name, place) =>
      names.includes(name)
        ? []
        : [{ path: `routes[${at}].backends[${place}]`, message: `there is no backend "${name}"` }]
    )
  )
  const alone = routes.flatMap(({ backends, hedge }, at) =>
    hedge !== undefined && new Set(backends).size < 2
      ? [{ path: `routes[${at}].hedge`, message: "there is no second backend to ask" }]
      : []
  )
  return [...twice, ...unknown, ...alone]
}

const pathText = (path: ReadonlyArray<unknown>): string =>
  path.reduce<string>((text, part) => {
    const key = typeof part === "object" && part !== null && "key" in part ? part.key : part
    if (typeof key === "number") return `${text}[${key}]`
    return text === "" ? String(key) : `${text}.${String(key)}`
  }, "")

/** Whether a route is for a model; a request without one goes where `*` goes. */
export const routeMatches = (route: Pick<RouteEntry, "models">, model: string | undefined): boolean =>
  route.models.some((pattern) => matches(pattern, model ?? ""))

/** Star by star, each taking as little as will do: a client chooses the model's name, and may make it long. */
const matches = (pattern: string, name: string): boolean => {
  const [first = "", ...rest] = pattern.split("*")
  const last = rest.pop()
  if (last === undefined) return name === first
  const end = name.length - last.length
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= end
}
