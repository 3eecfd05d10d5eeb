import { hash, timingSafeEqual } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Forbidden, Unauthorised } from "../domain/Failure.ts"
import { definitions, Settings } from "./Settings.ts"
import { watchTokenFile } from "./TokenFile.ts"

/** What a caller showed: the values of the two headers that may carry a token. */
export interface Credentials {
  readonly authorization: string | undefined
  readonly apiKey: string | undefined
}

/** The name of a caller who was let in: a digest of the token, or nothing where no token is needed. */
export interface Caller {
  readonly tokenId: string | undefined
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
      const fromSettings = authTokens.map(digest)
      if (authTokenFile === undefined) {
        return Auth.of({
          check: (credentials) => judge(fromSettings, credentials)
        })
      }
      const fileTokens = yield* watchTokenFile(authTokenFile, definitions.authTokenFile.variable)
      let seen: ReadonlyArray<Redacted.Redacted> = []
      let accepted: ReadonlyArray<Buffer> = fromSettings
      return Auth.of({
        check: (credentials) => {
          const tokens = fileTokens()
          if (tokens !== seen) {
            seen = tokens
            accepted = [...fromSettings, ...tokens.map(digest)]
          }
          return judge(accepted, credentials)
        }
      })
    })
  )
}

const judge = (
  accepted: ReadonlyArray<Buffer>,
  credentials: Credentials
): Result.Result<Caller, Unauthorised | Forbidden> => {
  if (accepted.length === 0) return Result.succeed({ tokenId: undefined })
  const shown = presented(credentials).map(digestOf)
  if (shown.length === 0) return Result.fail(new Unauthorised())
  const known = shown.find((candidate) => isAmong(accepted, candidate))
  return known === undefined ? Result.fail(new Forbidden()) : Result.succeed({ tokenId: known.toString("hex", 0, 8) })
}

const presented = ({ apiKey, authorization }: Credentials): ReadonlyArray<string> => {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
  return [bearer ?? "", apiKey?.trim() ?? ""].filter((token) => token !== "")
}

const digest = (token: Redacted.Redacted): Buffer => digestOf(Redacted.value(token))

/** Digests are of one length, so that comparing them tells nothing about how much of a token is right. */
const digestOf = (token: string): Buffer => hash("sha256", token, "buffer")

/** Looks at every digest, found or not. */
const isAmong = (accepted: ReadonlyArray<Buffer>, candidate: Buffer): boolean =>
  accepted.reduce((found, known) => timingSafeEqual(known, candidate) || found, false)
