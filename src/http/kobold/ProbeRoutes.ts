import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type Probe, probes } from "./Probes.ts"

const responseOf = ({ body, contentType, status = 200 }: Probe) =>
  contentType === undefined
    ? HttpServerResponse.jsonUnsafe(body, { status })
    : HttpServerResponse.text("", { contentType })

/** What clients look for and don't find. */
export const probeRoutes = HttpRouter.addAll(
  (Object.entries(probes) as ReadonlyArray<[HttpRouter.PathInput, Probe]>).flatMap(([path, probe]) =>
    // The router knows HEAD wherever it knows GET.
    probe.methods
      .filter((method) => method !== "HEAD")
      .map((method) => HttpRouter.route(method, path, responseOf(probe)))
  )
)
