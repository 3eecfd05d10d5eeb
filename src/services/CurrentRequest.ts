import * as Context from "effect/Context"
import { limitKey } from "../domain/ClientAddress.ts"
import type { ErrorCode } from "../domain/ErrorCatalogue.ts"
import type { Priority } from "../domain/Priority.ts"
import type { Quota } from "./RateLimit.ts"
import type { Span } from "./telemetry/Tracing.ts"

/** What is known of a request by the time it is answered, for its headers, its log lines and the metrics. */
export class RequestRecord {
  readonly id: string
  readonly traceId: string
  /** The client's address. */
  readonly client: string
  /** When its head had come, in monotonic milliseconds. */
  readonly startedAt: number
  /** Its story, where traces are on. */
  readonly span: Span | undefined
  /** Whose token it showed, in the words of `Auth`; undefined where it showed none, or none is needed. */
  tokenId: string | undefined = undefined
  /** Milliseconds spent in line and with the backend. */
  queueMillis = 0
  backendMillis = 0
  quota: Quota | undefined = undefined
  /** Header fields by which a browser decides who may read the answer. */
  cors: Readonly<Record<string, string>> | undefined = undefined
  /** How urgent it is, beside others that wait: its caller's right, until it is known that it asks for less. */
  priority: Priority = "normal"
  /** Where its answer came from, where equal requests share theirs. */
  cache: "hit" | "miss" | "joined" | undefined = undefined
  /** Which backend answered; undefined where none did, or several: the events of a batch. */
  backend: string | undefined = undefined
  #several = false
  error: ErrorCode | undefined = undefined
  /** What its answer tells beside the error's code. */
  details: string | undefined = undefined

  constructor(
    options: Pick<RequestRecord, "id" | "traceId" | "client" | "startedAt"> & { readonly span?: Span | undefined }
  ) {
    this.id = options.id
    this.traceId = options.traceId
    this.client = options.client
    this.startedAt = options.startedAt
    this.span = options.span
  }

  answeredBy(backend: string): void {
    this.#several ||= this.backend !== undefined && this.backend !== backend
    this.backend = this.#several ? undefined : backend
  }
}

/** The request in hand; none where an inference was asked for in another way than over HTTP. */
export const CurrentRequest = Context.Reference<RequestRecord | undefined>("ai-ticket/CurrentRequest", {
  defaultValue: () => undefined
})

/** What a client is where it has things of its own: its token, else its address. */
export const ownerOf = ({ client, tokenId }: Pick<RequestRecord, "client" | "tokenId">): string =>
  tokenId === undefined ? `address ${client}` : `token ${tokenId}`

/** Whose share of the line it takes: its token's, else its address's, of which a whole IPv6 network has one. */
export const shareOf = ({ client, tokenId }: Pick<RequestRecord, "client" | "tokenId">): string =>
  tokenId === undefined ? `address ${limitKey(client)}` : `token ${tokenId}`
