import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FaultStep, partWayKinds, plainKinds } from "./FaultStep.ts"

const pattern = /^(?:(chat|completion|generate|any)\/)?([a-z0-9]+)((?::[a-z-]+=[^:*@]*)*)(?:\*(\d{0,7})|@(\d{1,3})%)?$/

const isStep = Schema.decodeUnknownResult(FaultStep)

/** Reads one step; the failure is one sentence for the person who wrote it. */
export const parseStep = (written: string): Result.Result<FaultStep, string> => {
  const text = written.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "")
  const wrong = (why: string) => Result.fail(`The fault "${shorten(text)}" is not understood: ${why}.`)
  const match = pattern.exec(text)
  if (match === null) return wrong("a fault is written like 503, chat/429:retry-after=2*3, reset* or 500@10%")
  const [, endpoint = "any", kind = "", settingsText = "", times, percent] = match
  const settings = new Map(settingsText.split(":").slice(1).map(readSetting))
  const faultOrNot = readFault(kind, settings)
  if (faultOrNot === undefined) {
    const known = [...plainKinds, ...partWayKinds, "drip"].join(", ")
    return wrong(`the kind is a status from 200 to 599 or one of ${known}, not "${shorten(kind)}"`)
  }
  const fault = faultOrNot.fault
  const allowed: ReadonlyArray<string> = faultOrNot.allowed
  const stranger = [...settings.keys()].find((name) => name !== "delay" && !allowed.includes(name))
  if (stranger !== undefined) {
    return wrong(`"${kind}" has the settings ${["delay", ...allowed].join(", ")}, and not "${shorten(stranger)}"`)
  }
  const step = isStep({
    endpoint,
    fault,
    delayMillis: wholeNumber(settings.get("delay") ?? "0"),
    repeat: readRepeat(times, percent)
  })
  return Result.isSuccess(step)
    ? Result.succeed(step.success)
    : wrong(
        "a number is missing or out of bounds (delay and every up to 600000, retry-after up to 86400, after up to " +
          "1000000, percent 1 to 100)"
      )
}

/** Writes a step so that `parseStep` reads the same one. */
export const formatStep = (step: FaultStep): string => {
  const { fault, repeat } = step
  const settings: Array<string> = []
  if (fault.kind === "status") {
    if (fault.retryAfter !== undefined) {
      settings.push(`retry-after${fault.retryAfter.form === "date" ? "-date" : ""}=${fault.retryAfter.seconds}`)
    }
    if (fault.body !== undefined) settings.push(`body=${percentEncode(fault.body)}`)
  }
  if (fault.kind === "drip") settings.push(`every=${fault.everyMillis}`, `bytes=${fault.bytes}`)
  if ("after" in fault && fault.after !== undefined) settings.push(`after=${fault.after}`)
  if (step.delayMillis > 0) settings.push(`delay=${step.delayMillis}`)
  const endpoint = step.endpoint === "any" ? "" : `${step.endpoint}/`
  const kind = fault.kind === "status" ? `${fault.status}` : fault.kind
  return [`${endpoint}${kind}`, ...settings].join(":") + formatRepeat(repeat)
}

const readSetting = (text: string): readonly [string, string] => {
  const equals = text.indexOf("=")
  return [text.slice(0, equals), percentDecode(text.slice(equals + 1))]
}

const readFault = (kind: string, settings: ReadonlyMap<string, string>) => {
  if (/^\d{3}$/.test(kind)) {
    const inSeconds = settings.get("retry-after")
    const asDate = settings.get("retry-after-date")
    const body = settings.get("body")
    return {
      fault: {
        kind: "status",
        status: Number(kind),
        ...(inSeconds !== undefined && { retryAfter: { form: "seconds", seconds: wholeNumber(inSeconds) } }),
        ...(asDate !== undefined && { retryAfter: { form: "date", seconds: wholeNumber(asDate) } }),
        ...(body !== undefined && { body })
      },
      allowed: ["retry-after", "retry-after-date", "body"]
    }
  }
  if (kind === "drip") {
    const everyMillis = wholeNumber(settings.get("every") ?? "100")
    return {
      fault: { kind, everyMillis, bytes: wholeNumber(settings.get("bytes") ?? "8") },
      allowed: ["every", "bytes"]
    }
  }
  if (partWayKinds.some((partWay) => partWay === kind)) {
    const after = settings.get("after")
    return { fault: { kind, ...(after !== undefined && { after: wholeNumber(after) }) }, allowed: ["after"] }
  }
  return plainKinds.some((plain) => plain === kind) ? { fault: { kind }, allowed: [] } : undefined
}

const readRepeat = (times: string | undefined, percent: string | undefined) => {
  if (percent !== undefined) return { mode: "share", percent: Number(percent) }
  if (times === "") return { mode: "forever" }
  return { mode: "times", times: Number(times ?? 1) }
}

const formatRepeat = (repeat: FaultStep["repeat"]): string => {
  if (repeat.mode === "forever") return "*"
  if (repeat.mode === "share") return `@${repeat.percent}%`
  return repeat.times === 1 ? "" : `*${repeat.times}`
}

/** NaN, which no bound admits, for anything but digits. */
const wholeNumber = (text: string): number => (/^\d{1,9}$/.test(text) ? Number(text) : Number.NaN)

const percentEncode = (text: string): string =>
  text.replace(
    /[%,:*@ \t\r\n]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
  )

const percentDecode = (text: string): string =>
  text.replace(/%([0-7][0-9A-Fa-f])/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

/** Fit to stand in one line of a message. */
const shorten = (text: string): string => {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
  return line.length > 60 ? `${line.slice(0, 60)}...` : line
}
