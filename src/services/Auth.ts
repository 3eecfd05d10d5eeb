import { hash, timingSafeEqual } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Forbidden, Unauthorised } from "../domain/Failure.ts"
import type { Priority } from "../domain/Priority.ts"
import { definitions, Settings } from "./Settings.ts"
import { type FileToken, watchTokenFile } from "./TokenFile.ts"

/** What a caller showed: the values of the two headers that may carry a token. */
export interface Credentials {
  readonly authorization: string | undefined
  readonly apiKey: string | undefined
}

/** A caller who was let in. */
export interface Caller {
  /** A digest of the token, or nothing where no token is needed. */
  readonly tokenId: string | undefined
  /** The most urgent that its requests may be, and what they are when they don't say. */
  readonly priority: Priority
}

/** Decides who may come in. Without any token configured everybody may. */
export class Auth extends Context.Service<
  Auth,
  {
    /** A plain call: it is on every request's way, and waits for nothing. */
    readonly check: (credentials: Credentials) => Result.Result<Caller, Unauthorised | Forbidden>
  }
>()("ai-ticket/services/Auth") {
  static readonly layer = Layer.effect(
    Auth,
    Effect.gen(function* () {
      const { authTokenFile, authTokens = [] } = yield* Settings
      const fromSettings = authTokens.map((token): FileToken => ({ token, priority: "normal" }))
      let accepted = tokensOf(fromSettings)
      if (authTokenFile === undefined) {
        return Auth.of({
          check: (credentials) => judge(accepted, credentials)
        })
      }
      const fileTokens = yield* watchTokenFile(authTokenFile, definitions.authTokenFile.variable)
      let seen: ReadonlyArray<FileToken> = []
      return Auth.of({
        check: (credentials) => {
          const tokens = fileTokens()
          if (tokens !== seen) {
            seen = tokens
            // What the file says of a token that stands in both counts: the last one found does.
            accepted = tokensOf([...fromSettings, ...tokens])
          }
          return judge(accepted, credentials)
        }
      })
    })
  )
}

const judge = (tokens: Tokens, credentials: Credentials): Result.Result<Caller, Unauthorised | Forbidden> => {
  if (tokens.count === 0) return Result.succeed(anybody)
  const shown = presented(credentials)
  if (shown.length === 0) return Result.fail(new Unauthorised())
  for (const token of shown) {
    const caller = tokens.callerWith(token)
    if (caller !== undefined) return Result.succeed(caller)
  }
  return Result.fail(new Forbidden())
}

/** Who comes in where no token is needed. */
const anybody: Caller = { tokenId: undefined, priority: "normal" }

const presented = ({ apiKey, authorization }: Credentials): ReadonlyArray<string> => {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
  return [bearer ?? "", apiKey?.trim() ?? ""].filter((token) => token !== "")
}

/** The tokens that let in. */
interface Tokens {
  readonly count: number
  /** Who shows this one; the last of several that are the same. */
  readonly callerWith: (token: string) => Caller | undefined
}

/** How many bytes of padded tokens take no longer to compare than a digest to make. */
const mostPadded = 1024

const tokensOf = (accepted: ReadonlyArray<FileToken>): Tokens => {
  const width = accepted.reduce((most, { token }) => Math.max(most, Buffer.byteLength(Redacted.value(token))), 0)
  return accepted.length * (lengthBytes + width) > mostPadded ? lookedUp(accepted) : compared(accepted, width)
}

/**
 * Tokens of one width, padded, so that comparing them tells nothing about how much of one is right, nor how long it is.
 * A digest would do as well, and cost a request as much as all else that is judged here.
 */
const compared = (accepted: ReadonlyArray<FileToken>, width: number): Tokens => {
  const pad = (token: string, into: Buffer) => {
    into.fill(0)
    into.writeUInt32LE(Buffer.byteLength(token), 0)
    into.write(token, lengthBytes)
    return into
  }
  const known = accepted.map((accepted) => ({
    padded: Redacted.make(pad(Redacted.value(accepted.token), Buffer.alloc(lengthBytes + width))),
    caller: callerOf(accepted, digestOf(Redacted.value(accepted.token)))
  }))
  const shown = Buffer.alloc(lengthBytes + width)
  return {
    count: known.length,
    callerWith: (token) => {
      pad(token, shown)
      let found: Caller | undefined
      // Looks at every one, found or not.
      for (const { caller, padded } of known) if (timingSafeEqual(Redacted.value(padded), shown)) found = caller
      shown.fill(0)
      return found
    }
  }
}

/**
 * Many tokens or long ones, by their digests, so that a request costs the same however many there are. How long it takes
 * to find a digest may tell of digests, and nobody can tell of these which tokens they are of.
 */
const lookedUp = (accepted: ReadonlyArray<FileToken>): Tokens => {
  const known = new Map<string, Caller>()
  for (const token of accepted) {
    const digest = digestOf(Redacted.value(token.token))
    known.set(digest, callerOf(token, digest))
  }
  return { count: known.size, callerWith: (token) => known.get(digestOf(token)) }
}

const digestOf = (token: string) => hash("sha256", token, "hex")

const callerOf = ({ priority }: FileToken, digest: string): Caller => ({ tokenId: digest.slice(0, 16), priority })

/** How long a padded token is stands before it. */
const lengthBytes = 4
