import type { ActivityRings } from "./ActivityRings.ts"
import type { Recorder } from "./Recorder.ts"

/** A recorder from which the rings hear what they want to know too. */
export const alsoOfLate = (recorder: Recorder, rings: ActivityRings): Recorder => ({
  ...recorder,
  httpStarted: () => {
    recorder.httpStarted()
    rings.begun()
  },
  httpEnded: (request) => {
    recorder.httpEnded(request)
    rings.over()
  },
  tokens: (...told) => {
    recorder.tokens(...told)
    const [, { completionTokens, promptTokens }] = told
    rings.tokens(promptTokens, completionTokens)
  },
  delivered: (...told) => {
    recorder.delivered(...told)
    rings.generated("delivered", told[1])
  },
  wasted: (...told) => {
    recorder.wasted(...told)
    rings.generated("wasted", told[1])
  },
  firstToken: (...told) => {
    recorder.firstToken(...told)
    rings.firstToken(told[1])
  }
})
