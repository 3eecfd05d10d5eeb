import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Auth, type Credentials } from "../../src/services/Auth.ts"
import { Settings } from "../../src/services/Settings.ts"

const none: Credentials = { authorization: undefined, apiKey: undefined }
const bearer = (token: string): Credentials => ({ ...none, authorization: `Bearer ${token}` })
const apiKey = (token: string): Credentials => ({ ...none, apiKey: token })

const authWith = (tokens: string | undefined) =>
  Layer.build(
    Auth.layer.pipe(
      Layer.provide(Settings.layerRecord(tokens === undefined ? {} : { AI_TICKET_AUTH_TOKEN: tokens })),
      Layer.provide(FileSystem.layerNoop({}))
    )
  ).pipe(Effect.map((context) => Context.get(context, Auth)))

const judged = (auth: Auth["Service"], credentials: Credentials) =>
  Effect.sync(() => Result.match(auth.check(credentials), { onSuccess: () => "in", onFailure: ({ _tag }) => _tag }))

describe("Auth", () => {
  it.effect("lets everybody in without a token configured, whatever they show", () =>
    Effect.gen(function* () {
      const auth = yield* authWith(undefined)
      for (const credentials of [none, bearer("any"), apiKey("any")]) {
        assert.deepStrictEqual(yield* Effect.fromResult(auth.check(credentials)), {
          tokenId: undefined,
          priority: "normal"
        })
      }
    })
  )

  it.effect("lets in who shows one of the tokens, in either header", () =>
    Effect.gen(function* () {
      const auth = yield* authWith(" alpha-1, beta-2 ,")
      for (const token of ["alpha-1", "beta-2"]) {
        for (const credentials of [bearer(token), apiKey(token), apiKey(` ${token} `)]) {
          assert.strictEqual(yield* judged(auth, credentials), "in")
        }
      }
    })
  )

  it.effect("takes the scheme's name in any case", () =>
    Effect.gen(function* () {
      const auth = yield* authWith("alpha-1")
      for (const authorization of ["bearer alpha-1", "BEARER  alpha-1 "]) {
        assert.strictEqual(yield* judged(auth, { ...none, authorization }), "in")
      }
    })
  )

  it.effect("needs a token from those who show none, or show it in another way", () =>
    Effect.gen(function* () {
      const auth = yield* authWith("alpha-1")
      assert.strictEqual(yield* judged(auth, none), "Unauthorised")
      for (const authorization of ["", "Basic alpha-1", "alpha-1", "Bearer", "Bearer ", "Token alpha-1"]) {
        assert.strictEqual(yield* judged(auth, { ...none, authorization }), "Unauthorised", authorization)
      }
      assert.strictEqual(yield* judged(auth, apiKey(" ")), "Unauthorised")
    })
  )

  it.effect("forbids a wrong token, however near", () =>
    Effect.gen(function* () {
      const auth = yield* authWith("alpha-1,beta-2")
      for (const token of ["alpha", "alpha-1x", "ALPHA-1", "alpha-1,beta-2", "beta", "__proto__"]) {
        assert.strictEqual(yield* judged(auth, bearer(token)), "Forbidden", token)
        assert.strictEqual(yield* judged(auth, apiKey(token)), "Forbidden", token)
      }
    })
  )

  it.effect("knows few tokens, many and long ones alike", () =>
    Effect.gen(function* () {
      for (const [count, length] of [
        ...[
          [1, 1],
          [3, 8],
          [3, 8192],
          [1000, 20]
        ],
        [150_000, 12]
      ] as const) {
        const tokens = Array.from({ length: count }, (_, at) => `${at}-`.padStart(length, "a").slice(-length))
        const auth = yield* authWith(tokens.join(","))
        for (const token of [tokens.at(0), tokens.at(-1)] as Array<string>) {
          assert.strictEqual(yield* judged(auth, bearer(token)), "in")
          for (const near of [
            `${token}-`,
            `${token}\0`,
            `a${token}`,
            token.slice(0, -1),
            token.slice(1),
            token.repeat(9)
          ]) {
            if (near !== "") assert.strictEqual(yield* judged(auth, apiKey(near)), "Forbidden", near.slice(0, 30))
          }
        }
      }
    })
  )

  it.effect("lets in with two headers when one of them is right", () =>
    Effect.gen(function* () {
      const auth = yield* authWith("alpha-1")
      assert.strictEqual(yield* judged(auth, { authorization: "Bearer wrong", apiKey: "alpha-1" }), "in")
      assert.strictEqual(yield* judged(auth, { authorization: "Bearer alpha-1", apiKey: "wrong" }), "in")
      assert.strictEqual(yield* judged(auth, { authorization: "Bearer wrong", apiKey: "wrong" }), "Forbidden")
      assert.strictEqual(yield* judged(auth, { authorization: "Basic wrong", apiKey: "alpha-1" }), "in")
    })
  )

  it.effect("names a caller by a digest: one per token, and nothing of the token in it", () =>
    Effect.gen(function* () {
      const auth = yield* authWith("alpha-1,beta-2")
      const [alpha, again, beta] = [
        Result.getOrThrow(auth.check(bearer("alpha-1"))),
        Result.getOrThrow(auth.check(apiKey("alpha-1"))),
        Result.getOrThrow(auth.check(bearer("beta-2")))
      ]
      assert.match(String(alpha.tokenId), /^[0-9a-f]{16}$/)
      assert.strictEqual(again.tokenId, alpha.tokenId)
      assert.notStrictEqual(beta.tokenId, alpha.tokenId)
    })
  )

  it.effect("is no open door when the tokens configured are all empty", () =>
    Effect.gen(function* () {
      const opened = yield* Effect.exit(Effect.flatMap(authWith(" , "), (auth) => Effect.fromResult(auth.check(none))))
      assert.strictEqual(opened._tag, "Failure")
    })
  )
})
