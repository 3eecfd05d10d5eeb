/** A word that stands nowhere else: wherever it comes out, something private came out. */
export const canary = "canary7f3a"

export const goodToken = `good-${canary}`
export const wrongToken = `wrong-${canary}`

/** An event with the word in every place that may hold text. */
export const event = {
  content: {
    prompt: `prompt ${canary}`,
    messages: [
      { role: "user", content: `message ${canary}` },
      { role: canary, content: canary }
    ],
    stop: [canary],
    model: canary,
    [canary]: canary
  },
  id: canary,
  [canary]: { [canary]: [canary] }
}

/** Header fields with the word in every one that somebody may log, label or pass on. */
export const everyHeader = (headers: Readonly<Record<string, string>>) => ({
  "x-request-id": `not sane ${canary}`,
  traceparent: `00-${canary}-${canary}-01`,
  tracestate: `a=${canary}`,
  baggage: `a=${canary}`,
  b3: canary,
  "x-forwarded-for": canary,
  forwarded: `for=${canary}`,
  "user-agent": canary,
  referer: `http://${canary}/`,
  origin: `http://${canary}`,
  cookie: `session=${canary}`,
  accept: `text/${canary}`,
  "accept-language": canary,
  [`x-${canary}`]: canary,
  ...headers
})

/** What a backend may say of a prompt, in every place of its answer. */
export const echo = {
  [canary]: canary,
  error: { message: canary, code: canary },
  detail: [{ input: canary }],
  model: canary,
  choices: [{ [canary]: canary }],
  results: canary
}

export const echoHeaders = {
  "retry-after": canary,
  "x-echo": canary,
  location: `/${canary}`,
  "www-authenticate": canary
}
