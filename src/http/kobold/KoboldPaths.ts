const post = ["POST"] as const

/** Paths by which clients of KoboldCpp ask for text; the older name of the first is in wide use. */
export const generatePaths = ["/api/v1/generate", "/api/latest/generate"] as const
export const streamPath = "/api/extra/generate/stream"

/** The routes of KoboldCpp's protocol, with the methods that each takes. */
export const koboldRoutes = {
  "/api/v1/generate": post,
  "/api/latest/generate": post,
  "/api/extra/generate/stream": post,
  "/api/extra/generate/check": ["GET", "HEAD", "POST"],
  "/api/extra/abort": post
} as const
