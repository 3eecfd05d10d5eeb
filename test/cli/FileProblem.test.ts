import { assert, describe, it } from "@effect/vitest"
import * as PlatformError from "effect/PlatformError"
import { fileProblem } from "../../src/cli/FileProblem.ts"

const of = (tag: PlatformError.SystemErrorTag, cause?: unknown) =>
  PlatformError.systemError({ _tag: tag, module: "FileSystem", method: "write", cause })

describe("fileProblem", () => {
  it("has a word for what it knows, and the system's words for what it doesn't", () => {
    const full = new Error("ENOSPC: no space left on device, write")
    assert.strictEqual(fileProblem(of("PermissionDenied", new Error("EACCES"))), "PermissionDenied")
    assert.strictEqual(fileProblem(of("Unknown", full)), full.message)
    assert.strictEqual(fileProblem(of("Unknown")), "Unknown")
  })
})
