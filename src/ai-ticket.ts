#!/usr/bin/env node
// Any Node since 14 must be able to read this file, for it tells an older one why it can't go on: no import that it
// might not have, and no `await` outside a function.

const oldest = 24
const running = process.version

if (Number(running.slice(1).split(".")[0]) < oldest) {
  process.stderr.write(`ai-ticket needs Node ${oldest} or newer; this is ${running}.\n`)
  process.exitCode = 1
} else {
  // Until somebody listens for them, these end a process. To a service they are wishes, and to load it takes a while.
  const held = { SIGHUP: 0, SIGUSR2: 0 }
  if (/^(--accent \S+ |-\S+ )*serve( |$)/.test(process.argv.slice(2).join(" "))) {
    process.on("SIGHUP", () => (held.SIGHUP += 1))
    process.on("SIGUSR2", () => (held.SIGUSR2 += 1))
  }
  process.getBuiltinModule("node:module").enableCompileCache()
  import("./main.js").then(({ main }) => main(held))
}
