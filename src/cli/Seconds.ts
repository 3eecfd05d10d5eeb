import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

/** A flag of a time in seconds, to the millisecond: from 0.001 to a day. */
export const seconds = (name: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("SECONDS"),
    Flag.filterMap(
      (text) => {
        const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
        return value > 0 && value <= 86_400 ? Option.some(value) : Option.none()
      },
      () => "a number of seconds from 0.001 to 86400"
    )
  )
