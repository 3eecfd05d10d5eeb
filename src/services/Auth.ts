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
      const fromSettings = authTokens.map((token) => known(token, "normal"))
      if (authTokenFile === undefined) {
        return Auth.of({
          check: (credentials) => judge(fromSettings, credentials)
        })
      }
      const fileTokens = yield* watchTokenFile(authTokenFile, definitions.authTokenFile.variable)
      let seen: ReadonlyArray<FileToken> = []
      let accepted: ReadonlyArray<Known> = fromSettings
      return Auth.of({
        check: (credentials) => {
          const tokens = fileTokens()
          if (tokens !== seen) {
            seen = tokens
            // What the file says of a token that stands in both counts: the last one found does.
            accepted = [...fromSettings, ...tokens.map(({ priority, token }) => known(token, priority))]
          }
          return judge(accepted, credentials)
        }
      })
    })
  )
}

/** A token that lets in, as its digest. */
interface Known {
  readonly digest: Buffer
  readonly priority: Priority
}

const judge = (
  accepted: ReadonlyArray<Known>,
  credentials: Credentials
): Result.Result<Caller, Unauthorised | Forbidden> => {
  if (accepted.length === 0) return Result.succeed(anybody)
  const shown = presented(credentials).map(digestOf)
  if (shown.length === 0) return Result.fail(new Unauthorised())
  for (const candidate of shown) {
    const found = lookUp(accepted, candidate)
    if (found === undefined) continue
    return Result.succeed({ tokenId: candidate.toString("hex", 0, 8), priority: found.priority })
  }
  return Result.fail(new Forbidden())
}

/** Who comes in where no token is needed. */
const anybody: Caller = { tokenId: undefined, priority: "normal" }

const presented = ({ apiKey, authorization }: Credentials): ReadonlyArray<string> => {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
  return [bearer ?? "", apiKey?.trim() ?? ""].filter((token) => token !== "")
}

const known = (token: Redacted.Redacted, priority: Priority): Known => ({
  digest: digestOf(Redacted.value(token)),
  priority
})

/** Digests are of one length, so that comparing them tells nothing about how much of a token is right. */
const digestOf = (token: string): Buffer => hash("sha256", token, "buffer")

/** Looks at every digest, found or not. */
const lookUp = (accepted: ReadonlyArray<Known>, candidate: Buffer): Known | undefined =>
  accepted.reduce<Known | undefined>(
    (found, entry) => (timingSafeEqual(entry.digest, candidate) ? entry : found),
    undefined
  )
