// Preloaded by a process whose modules a test wants to know: each is told on stderr as it is loaded.
import { registerHooks } from "node:module"

registerHooks({
  load: (url, context, next) => {
    process.stderr.write(`loaded ${url}\n`)
    return next(url, context)
  }
})
