import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/**
 * New ids: random UUIDs, secure enough to be the key of a generation. Plain calls, since they can't fail and each request
 * needs several; Node fetches its random bytes by the poolful.
 */
export class Ids extends Context.Service<Ids, { readonly next: () => string }>()("ai-ticket/services/Ids") {
  static readonly layer = Layer.succeed(Ids)({ next: () => randomUUID() })
}
