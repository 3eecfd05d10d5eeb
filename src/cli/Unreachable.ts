import type * as HttpClientError from "effect/http/HttpClientError"
import { brokenConnection, whyUnreached } from "../services/SocketErrors.ts"

/** Why a call got no whole answer, in words fit to be told. */
export const whyUnreachable = ({ reason }: HttpClientError.HttpClientError): string =>
  whyUnreached("cause" in reason ? reason.cause : undefined) ?? brokenConnection
