import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decodeConfiguration, routeMatches } from "../../src/domain/Configuration.ts"

const least = { backends: [{ name: "gpu", url: "http://gpu:5001/api" }] }

const decoded = (value: unknown) => decodeConfiguration(["koboldcpp", "openai"], value)

const problemsOf = (value: unknown) =>
  Result.match(decoded(value), {
    onFailure: (problems) => problems.map(({ path }) => path),
    onSuccess: () => []
  })

describe("a configuration", () => {
  it("needs no more than a backend's name and URL", () => {
    assert.deepStrictEqual(Result.getOrThrow(decoded(least)), {
      backends: [
        {
          ...{ name: "gpu", url: "http://gpu:5001/api", weight: 1, priority: 1, timeouts: {} },
          probe: { every_seconds: 10 }
        }
      ],
      routes: []
    })
  })

  it("tells everything that is wrong, each with its path", () => {
    const wrong = {
      backends: [
        { name: "GPU 1", url: "gpu:5001", kind: "cloud", slots: 0, colour: "red" },
        { name: "b", url: "http://b", key: { env: "1X" }, weight: -1, priority: 1.5 }
      ],
      routes: [{ models: [], backends: ["b"] }]
    }
    const paths = problemsOf(wrong)
    for (const path of ["backends[0].name", "backends[0].kind", "backends[0].url", "backends[0].slots"]) {
      assert.include(paths, path)
    }
    for (const path of ["backends[0].colour", "backends[1].weight", "backends[1].priority", "routes[0].models[0]"]) {
      assert.include(paths, path)
    }
  })

  it("may say of a route what its requests share", () => {
    const route = { models: ["*"], backends: ["gpu"], coalesce: true, share: "all" } as const
    assert.deepStrictEqual(Result.getOrThrow(decoded({ ...least, routes: [route] })).routes[0], route)
    const wrong = {
      ...least,
      routes: [{ ...route, coalesce: "yes", share: "nobody", cache: { max_entries: 0, of: 1 } }]
    }
    assert.sameMembers(problemsOf(wrong), [
      "routes[0].coalesce",
      "routes[0].share",
      "routes[0].cache.max_entries",
      "routes[0].cache.of"
    ])
    const cached = decoded({
      ...least,
      routes: [{ ...route, cache: { max_age_seconds: 60 } }]
    })
    assert.deepStrictEqual(Result.getOrThrow(cached).routes[0]?.cache, {
      max_entries: 1000,
      max_age_seconds: 60,
      max_bytes: 67_108_864
    })
  })

  it("may hedge a route between two backends, by a time or by what they take", () => {
    const backends = [...least.backends, { name: "b", url: "http://b" }]
    const problems = (hedge: unknown, names = ["gpu", "b"]) =>
      problemsOf({ backends, routes: [{ models: ["*"], backends: names, hedge }] })
    for (const hedge of [{ after_ms: 2000 }, { after: "p95" }]) assert.deepStrictEqual(problems(hedge), [])
    for (const hedge of [{}, { after_ms: 1, after: "p95" }, 2000]) {
      assert.deepStrictEqual(problems(hedge), ["routes[0].hedge"])
    }
    assert.deepStrictEqual(problems({ after: "p99" }), ["routes[0].hedge.after"])
    assert.deepStrictEqual(problems({ after_ms: 0 }), ["routes[0].hedge.after_ms"])
    assert.deepStrictEqual(problems({ after_ms: 1 }, ["gpu", "gpu"]), ["routes[0].hedge"])
  })

  it("has each name once, and routes to backends that are there", () => {
    const [gpu] = least.backends
    const wrong = { backends: [gpu, gpu], routes: [{ models: ["*"], backends: ["gpu", "cpu"] }] }
    assert.deepStrictEqual(problemsOf(wrong), ["backends[1].name", "routes[0].backends[1]"])
  })

  it("is none without backends, or as another kind of value", () => {
    for (const value of [null, [], {}, { backends: [] }, "backends", 1]) assert.isAbove(problemsOf(value).length, 0)
  })
})

describe("a route", () => {
  it("is for the models that one of its patterns names", () => {
    const route = { models: ["llama-3*", "phi.4"] } as const
    for (const model of ["llama-3", "llama-3-8b", "phi.4"]) assert.isTrue(routeMatches(route, model), model)
    for (const model of ["llama-2", "xllama-3", "phi-4", "", undefined]) assert.isFalse(routeMatches(route, model))
    assert.isTrue(routeMatches({ models: ["*"] }, undefined))
  })

  it("reads a star as anything, line breaks too, in one pass", () => {
    const matches = (pattern: string, model: string) => routeMatches({ models: [pattern] }, model)
    for (const model of ["ab", "aXb", "a\nb", "a*b"]) assert.isTrue(matches("a*b", model), model)
    assert.isTrue(matches("*", "a\r\n\u2028b"))
    assert.isTrue(matches("*b*b*", "abba"))
    assert.isTrue(matches("a**", "a"))
    for (const [pattern, model] of [
      ["ab*ba", "aba"],
      ["*b*b*", "abc"],
      ["a", "a\n"],
      ["*b*c", "cb"]
    ] as const) {
      assert.isFalse(matches(pattern, model), `${pattern} for ${model}`)
    }
    const start = performance.now()
    assert.isFalse(matches("*a*a*b", "a".repeat(1_000_000)))
    assert.isBelow(performance.now() - start, 1000)
  })
})
