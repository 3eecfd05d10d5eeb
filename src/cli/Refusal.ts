import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { counted } from "../domain/Counted.ts"
import type { errorCatalogue } from "../domain/ErrorCatalogue.ts"
import { failure } from "./CommandFailure.ts"
import type { Answer } from "./Server.ts"

/** An error as the service tells it, whatever its shape. */
export interface ToldError {
  readonly error: string
  readonly message: string
  readonly details?: string | null
}

/** A sentence with its code. */
export const telling = ({ error, message }: ToldError): string => `${message} (${error})`

const decodeError = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({ error: Schema.String, message: Schema.String, details: Schema.NullOr(Schema.String) })
  )
)

/** What the service says of it is about header fields, for which a command has no flag. */
const tokenNeeded: keyof typeof errorCatalogue = "unauthorised"

/** What answers there isn't ai-ticket, as is to be seen in its answer. */
export const notOurs = (url: string, what: string) =>
  failure("refused", `What listens at ${url} is not ai-ticket: its answer ${what}.`)

/** What the service said instead of an answer, as the failure of a command. */
export const refusal = (answer: Answer, decode: (text: string) => Option.Option<ToldError> = decodeError) =>
  Option.match(decode(answer.text), {
    onNone: () => failure("refused", `The answer has status ${answer.status} and is not one of ai-ticket's.`),
    onSome: (told) =>
      failure(
        "refused",
        [
          telling(told),
          ...(told.details ? [`Details: ${told.details}`] : []),
          ...(told.error === tokenNeeded ? ["A command takes its token from AI_TICKET_TOKEN, or from --token."] : []),
          ...(/^\d{1,9}$/.test(answer.retryAfter ?? "")
            ? [`Worth trying again in ${counted(Number(answer.retryAfter), "second")}.`]
            : [])
        ].join("\n")
      )
  })
