import * as Effect from "effect/Effect"

/** Posts JSON and reads the answer to its end, byte by byte as it came. */
export const postRaw = (url: string, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async (signal) => {
    const response = await fetch(url + path, {
      method: "POST",
      signal,
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body)
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  })
