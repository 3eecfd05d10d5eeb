import * as Result from "effect/Result"
import { InvalidParameter } from "../domain/Failure.ts"
import { grantedPriority, isPriority } from "../domain/Priority.ts"
import type { RequestRecord } from "../services/CurrentRequest.ts"

/**
 * Notes how urgent a request says it is. More than its caller's right is granted as that right: a client needn't know
 * what its token is good for.
 */
export const readPriority = (
  asked: string | undefined,
  record: RequestRecord | undefined
): Result.Result<void, InvalidParameter> => {
  if (asked === undefined) return Result.void
  const word = asked.trim().toLowerCase()
  if (!isPriority(word)) return Result.fail(unknown)
  if (record !== undefined) record.priority = grantedPriority(word, record.priority)
  return Result.void
}

const unknown = new InvalidParameter({ parameter: "X-Priority", expected: "high, normal or low" })
