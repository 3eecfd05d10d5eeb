import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { BackendError } from "../../src/domain/BackendError.ts"
import { errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"
import * as Failure from "../../src/domain/Failure.ts"

const backendError = new BackendError({
  code: "api_rate_limited",
  backend: "koboldcpp",
  endpoint: "chat",
  reason: "it answered 429",
  remedy: "retry",
  retryAfterMillis: 5000
})

const waitable = (retryAfterMillis: number) => [
  new Failure.Overloaded({ retryAfterMillis }),
  new Failure.NoBackendAvailable({ retryAfterMillis }),
  new Failure.RateLimited({ retryAfterMillis, limit: 1, windowSeconds: 60 })
]

const unwaitable = [
  backendError,
  new Failure.InvalidRequest({ details: "the body isn't JSON" }),
  new Failure.InvalidInputFormat(),
  new Failure.MissingContentField(),
  new Failure.PromptExtractionFailed(),
  new Failure.InvalidParameter({ parameter: "top_p", expected: "a number from 0 to 1" }),
  new Failure.PayloadTooLarge({ limitBytes: 10 }),
  new Failure.RequestTimeout(),
  new Failure.Unauthorised(),
  new Failure.Forbidden(),
  new Failure.NotFound(),
  new Failure.MethodNotAllowed({ allowed: ["GET", "HEAD"] }),
  new Failure.DeadlineExceeded({ budgetMillis: 1500 }),
  new Failure.ShuttingDown()
]

describe("errorBody", () => {
  for (const failure of [...waitable(2000), ...unwaitable]) {
    it(`${failure._tag} has the four fields, with the status of its code`, () => {
      const body = Failure.errorBody(failure)
      assert.deepStrictEqual(Object.keys(body), ["error", "message", "status_code", "details"])
      assert.strictEqual(body.error, failure.code)
      assert.strictEqual(body.status_code, errorCatalogue[failure.code].status)
      assert.match(body.message, /^([A-Z]|top_p ).*\.$/)
      assert.isTrue(body.details === null || body.details.length > 0)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(body)), body)
    })
  }

  it("tells the details of those that have some", () => {
    assert.strictEqual(Failure.errorBody(backendError).details, "koboldcpp, chat: it answered 429")
    assert.strictEqual(Failure.errorBody(new Failure.InvalidRequest({ details: "no" })).details, "no")
    assert.isNull(Failure.errorBody(new Failure.NotFound()).details)
  })

  it("names what the caller has to change", () => {
    const message = (failure: Failure.Failure) => Failure.errorBody(failure).message
    assert.include(message(new Failure.PayloadTooLarge({ limitBytes: 1024 })), "1024 bytes")
    assert.include(message(new Failure.MethodNotAllowed({ allowed: ["GET", "HEAD"] })), "GET, HEAD")
    assert.include(message(new Failure.DeadlineExceeded({ budgetMillis: 1500 })), "1.5 seconds")
    // What is left of 300 milliseconds when a clock's reading was added and taken away again.
    assert.include(message(new Failure.DeadlineExceeded({ budgetMillis: 299.99999999999994 })), " 0.3 seconds")
  })

  it("tells one of something in the singular", () => {
    const message = (failure: Failure.Failure) => Failure.errorBody(failure).message
    const limited = (limit: number, windowSeconds: number) =>
      message(new Failure.RateLimited({ retryAfterMillis: 1, limit, windowSeconds }))
    assert.strictEqual(limited(1, 1), "Over the limit of 1 request in 1 second.")
    assert.strictEqual(limited(2, 0.5), "Over the limit of 2 requests in 0.5 seconds.")
    assert.strictEqual(message(new Failure.DeadlineExceeded({ budgetMillis: 1000 })), "No answer within 1 second.")
    assert.strictEqual(message(new Failure.PayloadTooLarge({ limitBytes: 1 })), "The body is over the limit of 1 byte.")
  })
})

describe("retryAfterSeconds", () => {
  it("is only there for those that another try may help", () => {
    for (const failure of unwaitable) assert.isUndefined(Failure.retryAfterSeconds(failure), failure._tag)
  })

  it("is rounded up", () => {
    for (const failure of waitable(1001)) assert.strictEqual(Failure.retryAfterSeconds(failure), 2)
    for (const failure of waitable(3000)) assert.strictEqual(Failure.retryAfterSeconds(failure), 3)
  })

  const Millis = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e12 }))
  it.prop("is a whole number of at least one", { millis: Millis }, ({ millis }) => {
    for (const failure of waitable(millis)) {
      const seconds = Failure.retryAfterSeconds(failure) ?? 0
      assert.isTrue(Number.isInteger(seconds) && seconds >= 1 && seconds * 1000 >= millis)
    }
  })
})

describe("bodyFor", () => {
  it("tells no details unless given some", () => {
    assert.deepStrictEqual(Failure.bodyFor("internal_error", "It is our fault."), {
      error: "internal_error",
      message: "It is our fault.",
      status_code: 500,
      details: null
    })
  })
})
