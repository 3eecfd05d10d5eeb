import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Bytes of the heap that are in use once what nobody needs is gone. */
export const bytesInUse = (): number => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
  return process.memoryUsage().heapUsed
}
