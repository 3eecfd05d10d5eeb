#!/usr/bin/env node
// Any Node since 14 must be able to read this file, for it tells an older one why it can't go on: no import that it
// might not have, and no `await` outside a function.

const oldest = 24
const running = process.version

if (Number(running.slice(1).split(".")[0]) < oldest) {
  process.stderr.write(`ai-ticket needs Node ${oldest} or newer; this is ${running}.\n`)
  process.exitCode = 1
} else {
  process.getBuiltinModule("node:module").enableCompileCache()
  import("./main.js")
}
