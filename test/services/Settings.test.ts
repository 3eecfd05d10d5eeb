import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Settings } from "../../src/services/Settings.ts"

const read = (record: Readonly<Record<string, string>>) =>
  Effect.map(Layer.build(Settings.layerRecord(record)), (context) => Context.get(context, Settings))
const refusal = (record: Readonly<Record<string, string>>) => Effect.flip(read(record))

describe("the settings", () => {
  it.effect("are as documented when nothing is set", () =>
    Effect.gen(function* () {
      const { lookup: _, read: __, origins, ...values } = yield* read({})
      assert.deepStrictEqual(values, {
        koboldcppApiUrl: ["http://localhost:5001"],
        koboldcppApiKey: undefined,
        configFile: undefined,
        host: "127.0.0.1",
        port: 5000,
        workers: 1,
        reload: false,
        logLevel: "Info",
        accessLogLevel: undefined,
        accessLogPerSecond: 0,
        logFormat: undefined,
        logContent: false,
        authTokens: undefined,
        authTokenFile: undefined,
        rateLimitRequests: 120,
        rateLimitWindowSeconds: 60,
        rateLimitBy: "ip",
        metricsNamespace: "ai_ticket",
        trustProxyCount: 0,
        corsOrigins: undefined,
        slots: 1,
        queueLimit: 64,
        requestTimeoutSeconds: 300,
        receiveTimeoutSeconds: 30,
        shutdownGraceSeconds: 30,
        streamStallSeconds: 30,
        streamKeepAliveSeconds: 15,
        maxBodyBytes: 1_048_576,
        retryBudgetPercent: 20,
        retryBudgetPerSecond: 10
      })
      for (const { from } of Object.values(origins)) assert.strictEqual(from, "default")
    })
  )

  it.effect("take the backend's url with or without /api and slashes at its end", () =>
    Effect.gen(function* () {
      const roots = {
        "http://kobold:5001": "http://kobold:5001",
        "http://kobold:5001/": "http://kobold:5001",
        "http://kobold:5001/api": "http://kobold:5001",
        "http://kobold:5001/api//": "http://kobold:5001",
        "HTTPS://Kobold/llm/api/": "https://kobold/llm",
        "https://kobold/llm": "https://kobold/llm",
        "http://[::1]:5001/api": "http://[::1]:5001",
        "http://kobold/my-api": "http://kobold/my-api"
      }
      for (const [url, root] of Object.entries(roots)) {
        assert.deepStrictEqual((yield* read({ KOBOLDCPP_API_URL: url })).koboldcppApiUrl, [root], url)
      }
    })
  )

  it.effect("take words in any case, and yes and no in several", () =>
    Effect.gen(function* () {
      const levels = {
        trace: "Trace",
        DEBUG: "Debug",
        Warning: "Warn",
        ERROR: "Error",
        CRITICAL: "Fatal",
        none: "None"
      }
      for (const [word, level] of Object.entries(levels)) {
        assert.strictEqual((yield* read({ LOG_LEVEL: word })).logLevel, level)
      }
      for (const yes of ["true", "TRUE", "1", "yes"]) {
        assert.isTrue((yield* read({ AI_TICKET_LOG_CONTENT: yes })).logContent)
      }
      for (const no of ["false", "0", "No"]) {
        assert.isFalse((yield* read({ AI_TICKET_LOG_CONTENT: no })).logContent)
      }
    })
  )

  it.effect("split tokens at commas and keep them out of sight", () =>
    Effect.gen(function* () {
      const { authTokens = [] } = yield* read({ AI_TICKET_AUTH_TOKEN: " alpha ,beta,," })
      assert.deepStrictEqual(authTokens.map(Redacted.value), ["alpha", "beta"])
      assert.notInclude(JSON.stringify(authTokens), "alpha")
    })
  )

  it.effect("take origins as browsers write them, or a star for all", () =>
    Effect.gen(function* () {
      const written = {
        "*": ["*"],
        "https://lite.koboldai.net": ["https://lite.koboldai.net"],
        " HTTPS://Lite.KoboldAI.net/ , http://localhost:8000": ["https://lite.koboldai.net", "http://localhost:8000"],
        "http://a:80,https://b:443,http://[::1]:80": ["http://a", "https://b", "http://[::1]"],
        "app://obsidian.md,chrome-extension://abc": ["app://obsidian.md", "chrome-extension://abc"],
        "http://a,": ["http://a"],
        ", http://a, ,http://b,": ["http://a", "http://b"]
      }
      for (const [text, origins] of Object.entries(written)) {
        assert.deepStrictEqual<unknown>((yield* read({ AI_TICKET_CORS_ORIGINS: text })).corsOrigins, origins, text)
      }
    })
  )

  it.effect("refuse a list of tokens without one, which would leave the door open", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* refusal({ AI_TICKET_AUTH_TOKEN: " , ," })).variable, "AI_TICKET_AUTH_TOKEN")
    })
  )

  it.effect("show no secret when they are printed whole", () =>
    Effect.gen(function* () {
      const secrets = { AI_TICKET_AUTH_TOKEN: "s3cret-token", AI_TICKET_KOBOLDCPP_API_KEY: "s3cret-key" }
      assert.notInclude(JSON.stringify(yield* read(secrets)), "s3cret")
    })
  )
})

describe("a wrong setting", () => {
  const wrong: Readonly<Record<string, readonly [expected: string, ...values: ReadonlyArray<string>]>> = {
    PORT: ["a whole number from 0 to 65535", "65536", "-1", "80.5", "1e3", "0x50", "http", "80 80"],
    AI_TICKET_SLOTS: ["a whole number from 1 to 1024", "0", "1025", "one"],
    AI_TICKET_QUEUE_LIMIT: ["a whole number from 0 to 100000", "100001", "-1"],
    RATE_LIMIT_REQUESTS: ["a whole number from 0 to 1000000", "1000001", "1.5"],
    RATE_LIMIT_WINDOW_SECONDS: ["a number of seconds from 1 to 86400", "0", "0.5", "86401", "1m", "Infinity"],
    AI_TICKET_REQUEST_TIMEOUT_SECONDS: ["a number of seconds from 0.001 to 86400", "0", "86400.1", "300s", "NaN"],
    AI_TICKET_SHUTDOWN_GRACE_SECONDS: ["a number of seconds from 0 to 3600", "-1", "3601"],
    AI_TICKET_MAX_BODY_BYTES: ["a whole number from 1 to 1073741824", "0", "1 MiB"],
    TRUST_PROXY_COUNT: ["a whole number from 0 to 32", "33", "true"],
    AI_TICKET_CORS_ORIGINS: [
      "* or an origin such as https://lite.koboldai.net; one or several, separated by commas",
      ...["lite.koboldai.net", "null", "https://a/path", "https://*.a", ",", "https://", "https://a b"],
      "https://a:99999"
    ],
    LOG_LEVEL: ["one of trace, debug, info, warning, error, critical, none", "loud", "constructor", "__proto__"],
    ACCESS_LOG_LEVEL: ["one of trace, debug, info, warning, error, critical, none", "quiet"],
    LOG_FORMAT: ["one of json, pretty", "xml"],
    AI_TICKET_RATE_LIMIT_BY: ["one of ip, token", "user"],
    AI_TICKET_LOG_CONTENT: ["one of 0, 1, true, false, yes, no", "maybe"],
    METRICS_NAMESPACE: ["letters, digits and underscores", "1st", "ai-ticket", "a b", "ä"],
    AI_TICKET_HOST: ["an address or host name", "a b", "http://x"],
    KOBOLDCPP_API_URL: [
      "an http or https URL without credentials, query or fragment, such as http://localhost:5001/api; one or several, separated by commas",
      ...[",", "http://a,http://a/api", "http://a,kobold"],
      ...["localhost:5001", "ftp://kobold", "kobold", "http://", "http://kobold/?a=1", "http://kobold/#a"]
    ]
  }
  for (const [variable, [expected, ...values]] of Object.entries(wrong)) {
    for (const value of values) {
      it.effect(`${variable}=${value} is told in one sentence with the variable, the value and what is expected`, () =>
        Effect.gen(function* () {
          const error = yield* refusal({ [variable]: value })
          assert.strictEqual(error.message, `${variable} is ${JSON.stringify(value)}: expected ${expected}.`)
        })
      )
    }
  }

  it.effect("that is a secret is told without its value", () =>
    Effect.gen(function* () {
      for (const variable of ["AI_TICKET_AUTH_TOKEN", "AI_TICKET_KOBOLDCPP_API_KEY"]) {
        const error = yield* refusal({ [variable]: "s3cret with spaces" })
        assert.match(error.message, new RegExp(`^${variable} has a value that can't be used: expected .+\\.$`))
        assert.notInclude(`${error.message} ${JSON.stringify(error)} ${error.stack}`, "s3cret")
      }
    })
  )

  it.effect("that carries credentials in a url is told without them", () =>
    Effect.gen(function* () {
      for (const url of [
        "http://user:s3cret@kobold/api",
        "https://s3cret@kobold",
        "http://user:x/s3cret@kobold",
        "http://user:s3cret/x@kobold",
        "http://user:x@s3cret@kobold",
        "http://user:x?s3cret#s3cret@kobold/api?a=@b",
        "ftp://user:s3cret@kobold"
      ]) {
        const error = yield* refusal({ KOBOLDCPP_API_URL: url })
        assert.strictEqual(error.variable, "KOBOLDCPP_API_URL")
        assert.notInclude(`${error.message} ${JSON.stringify(error)} ${error.stack}`, "s3cret", url)
      }
    })
  )
})
