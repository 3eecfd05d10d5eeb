import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { definitions, type SettingName } from "../../src/services/Settings.ts"
import { runInProcess } from "./InProcess.ts"

/** A value that each setting can't have. */
const wrong: Record<SettingName, string> = {
  koboldcppApiUrl: "localhost:5001",
  koboldcppApiKey: "pass word",
  configFile: "back\0ends",
  host: "not a host",
  port: "65536",
  workers: "0",
  reload: "sometimes",
  logLevel: "loud",
  accessLogLevel: "quiet",
  accessLogPerSecond: "few",
  logFormat: "xml",
  logContent: "perhaps",
  authTokens: "good,not good",
  authTokenFile: "tok\0ens",
  rateLimitRequests: "-1",
  rateLimitWindowSeconds: "0",
  rateLimitBy: "country",
  metricsNamespace: "ai-ticket",
  trustProxyCount: "33",
  corsOrigins: "lite.koboldai.net",
  slots: "0",
  queueLimit: "many",
  requestTimeoutSeconds: "0",
  receiveTimeoutSeconds: "3601",
  shutdownGraceSeconds: "-5",
  streamStallSeconds: "0",
  streamKeepAliveSeconds: "never",
  maxBodyBytes: "1MiB",
  retryBudgetPercent: "20%",
  retryBudgetPerSecond: "1.5"
}

const cases = Object.entries(wrong).map(([name, value]) => ({ ...definitions[name as SettingName], value }))

describe("a setting with a wrong value", () => {
  it.effect.each(cases)("$variable: one sentence names it, the value unless secret, and what is expected", (setting) =>
    Effect.gen(function* () {
      const { expected, secret, value, variable } = setting
      const { code, stderr, stdout } = yield* runInProcess(["config"], { env: { [variable]: value } })
      const told = secret ? "has a value that can't be used" : `is ${JSON.stringify(value)}`
      assert.deepStrictEqual(
        { code, stdout, stderr },
        { code: 2, stdout: "", stderr: `ai-ticket: ${variable} ${told}: expected ${expected}.\n` }
      )
    })
  )

  it.effect("that a flag gave: the flag is named too", () =>
    Effect.gen(function* () {
      const expected = "expected a whole number from 1 to 1024."
      const told = (args: ReadonlyArray<string>) =>
        Effect.map(runInProcess(["config", ...args], { env: { AI_TICKET_SLOTS: "2" } }), ({ code, stderr }) => {
          assert.strictEqual(code, 2)
          return stderr
        })
      assert.strictEqual(
        yield* told(["--slots", "none"]),
        `ai-ticket: --slots: AI_TICKET_SLOTS is "none": ${expected}\n`
      )
      for (const threads of ["none", "0", "1.5"]) {
        const stderr = yield* told(["--threads", threads])
        assert.strictEqual(stderr, `ai-ticket: --threads: AI_TICKET_SLOTS is "${threads}": ${expected}\n`)
      }
      assert.strictEqual(
        yield* told(["--threads", "1000", "--workers", "2"]),
        `ai-ticket: --threads: AI_TICKET_SLOTS is "2000": ${expected}\n`
      )
      assert.include(yield* told(["--threads", "2", "--workers", "none"]), '--workers: AI_TICKET_WORKERS is "none"')
    })
  )
})
