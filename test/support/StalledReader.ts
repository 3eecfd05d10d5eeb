import * as Effect from "effect/Effect"
import { dialectStream } from "./DialectStream.ts"
import type { ScriptedBackend, Step } from "./ScriptedBackend.ts"
import { openStream } from "./StreamingClient.ts"
import type { Surface } from "./Surfaces.ts"
import { eventually } from "./TestService.ts"
import { watchedResponses } from "./WatchedResponses.ts"

export const longText = (at: number) => `${at}:${"x".repeat(8000)};`

/** So many events of `longText`, and then the last piece. */
export function* longEvents({ endpoint }: Surface, count = Number.POSITIVE_INFINITY, last = "") {
  for (let at = 0; at < count; at++) yield dialectStream("1.104", endpoint, [longText(at), ""])[0] ?? ""
  yield last
}

/** A client that has read the head of an endless stream and no more, until the service can't write on. */
export const stalledReader = Effect.fnUntraced(function* (
  surface: Surface,
  { backend, url }: { readonly backend: ScriptedBackend; readonly url: string },
  options: { readonly headers?: Readonly<Record<string, string>>; readonly step?: Step } = {}
) {
  const { headers = {}, step = { pieces: longEvents(surface) } } = options
  backend.script({ [surface.endpoint]: [step] })
  const watched = yield* watchedResponses(surface.path, backend.url)
  const client = yield* openStream(url, surface.path, surface.request, { headers, reads: false })
  yield* eventually(() => watched.downstream()?.writableNeedDrain === true && watched.upstream()?.isPaused() === true)
  return { client, watched }
})
