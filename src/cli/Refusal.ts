import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { counted } from "../domain/Counted.ts"
import { failure } from "./CommandFailure.ts"
import type { Answer } from "./Server.ts"

const decodeError = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({ error: Schema.String, message: Schema.String, details: Schema.NullOr(Schema.String) })
  )
)

/** What answers there isn't ai-ticket, as is to be seen in its answer. */
export const notOurs = (url: string, what: string) =>
  failure("refused", `What listens at ${url} is not ai-ticket: its answer ${what}.`)

/** What the service said instead of an answer, as the failure of a command. */
export const refusal = (answer: Answer) =>
  Option.match(decodeError(answer.text), {
    onNone: () => failure("refused", `The answer has status ${answer.status} and is not one of ai-ticket's.`),
    onSome: ({ details, error, message }) =>
      failure(
        "refused",
        [
          `${message} (${error})`,
          ...(details === null || details === "" ? [] : [`Details: ${details}`]),
          ...(/^\d{1,9}$/.test(answer.retryAfter ?? "")
            ? [`Worth trying again in ${counted(Number(answer.retryAfter), "second")}.`]
            : [])
        ].join("\n")
      )
  })
