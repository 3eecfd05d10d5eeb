/** The processes of a measurement: how they are started, watched and ended. Linux alone: it looks into `/proc`. */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import packageJson from "../package.json" with { type: "json" }

/** As `npm start` starts it; more options for Node, separated by spaces, count for more than its own. */
export const serviceCommand = (more = ""): ReadonlyArray<string> => {
  const [, ...words] = packageJson.scripts.start.split(" ")
  return [...words.slice(0, -2), ...more.split(" ").filter((option) => option !== ""), ...words.slice(-2)]
}

export const token = "bench-token"

const children = new Set<ChildProcess>()

export const start = (args: ReadonlyArray<string>, env: Record<string, string> = {}): ChildProcess => {
  // A child of ours that reads its input ends with it, however we end.
  const child = spawn(process.execPath, [...args], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"]
  })
  children.add(child)
  child.on("exit", () => children.delete(child))
  return child
}

/** The first line that matches, and from then on the output is read and thrown away. */
export const firstMatch = (child: ChildProcess, pattern: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    if (child.stdout === null) return reject(new Error("no output"))
    createInterface(child.stdout).on("line", (line) => {
      const found = pattern.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.on("exit", (code) => reject(new Error(`exited with ${code}`)))
  })

/** The lines that a child says, one after the other: each call waits for the next one that is wanted. */
export const linesOf = (child: ChildProcess) => {
  const lines: Array<string> = []
  let wake = () => {}
  let exited = false
  if (child.stdout !== null) {
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line)
      wake()
    })
  }
  child.on("close", () => {
    exited = true
    wake()
  })
  return {
    next: async (wanted: (line: string) => boolean): Promise<string> => {
      for (;;) {
        const line = lines.shift()
        if (line !== undefined && wanted(line)) return line
        if (line !== undefined) continue
        if (exited) throw new Error("it exited before it said that")
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  }
}

/** Ends what is left. */
export const endAll = (): void => {
  for (const child of children) child.kill("SIGKILL")
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    endAll()
    process.exit(1)
  })
}

export const residentMegabytes = (pid: number | undefined): number => {
  const own = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
  return childrenOf(pid).reduce((sum, child) => sum + residentMegabytes(child), own)
}

/** Seconds of CPU so far, with those of its workers; the kernel counts in hundredths. */
export const cpuSeconds = (pid: number | undefined): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  const own = (Number(fields[11]) + Number(fields[12])) / 100
  return childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), own)
}

const childrenOf = (pid: number | undefined): ReadonlyArray<number> =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)

/** Seconds of CPU that everything on the machine has used so far. */
export const busySeconds = (): number => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    readFileSync("/proc/stat", "utf8").split("\n")[0]?.split(/\s+/).slice(1).map(Number) ?? []
  return (user + nice + system + irq + softirq) / 100
}

/** The slope by least squares, in megabytes a minute. */
export const slope = (points: ReadonlyArray<readonly [number, number]>): number => {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const shared = points.reduce((sum, [minute, megabytes]) => sum + (minute - x) * (megabytes - y), 0)
  return shared / points.reduce((sum, [minute]) => sum + (minute - x) ** 2, 0)
}
