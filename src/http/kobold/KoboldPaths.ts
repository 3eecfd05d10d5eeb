import { probeMethods } from "./Probes.ts"

const get = ["GET", "HEAD"] as const
const post = ["POST"] as const

/** Paths by which clients of KoboldCpp ask for text; the older name of the first is in wide use. */
export const generatePaths = ["/api/v1/generate", "/api/latest/generate"] as const
export const streamPath = "/api/extra/generate/stream"

/** KoboldCpp counts a text's tokens under two names. */
export const tokenPaths = ["/api/extra/tokencount", "/api/extra/tokenize"] as const

/** What KoboldCpp is asked about itself, by the question that its backend is asked. */
export const infoPaths = {
  model: ["/api/v1/model", "/api/latest/model"],
  apiVersion: ["/api/v1/info/version", "/api/latest/info/version"],
  trueContextLength: ["/api/extra/true_max_context_length"],
  contextLength: ["/api/v1/config/max_context_length", "/api/latest/config/max_context_length"],
  answerLength: ["/api/v1/config/max_length", "/api/latest/config/max_length"]
} as const

/** The routes of KoboldCpp's protocol, with the methods that each takes. */
export const koboldRoutes = {
  "/api/v1/generate": post,
  "/api/latest/generate": post,
  "/api/extra/generate/stream": post,
  "/api/extra/generate/check": ["GET", "HEAD", "POST"],
  "/api/extra/abort": post,
  "/api/extra/tokencount": post,
  "/api/extra/tokenize": post,
  "/api/extra/version": get,
  "/api/extra/perf": get,
  "/api/extra/true_max_context_length": get,
  "/api/v1/model": get,
  "/api/latest/model": get,
  "/api/v1/info/version": get,
  "/api/latest/info/version": get,
  "/api/v1/config/max_length": get,
  "/api/latest/config/max_length": get,
  "/api/v1/config/max_context_length": get,
  "/api/latest/config/max_context_length": get,
  ...probeMethods
} as const
