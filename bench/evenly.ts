import { Agent, request } from "node:http"

interface Post {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * So many requests a second at even distances, however long their answers take. (autocannon sends all of a second's at its
 * beginning.)
 */
export const evenly = async ({ body, headers, url }: Post, { rate, seconds }: { rate: number; seconds: number }) => {
  const agent = new Agent({ keepAlive: true })
  const open: Array<Promise<boolean>> = []
  const post = () =>
    new Promise<boolean>((resolve) => {
      const sent = request(url, { method: "POST", agent, headers: { ...headers, "content-length": body.length } })
      sent.on("error", () => resolve(false))
      sent.on("response", (response) => {
        const { statusCode = 0 } = response
        response.on("error", () => resolve(false))
        response.on("end", () => resolve(statusCode >= 200 && statusCode < 300))
        response.resume()
      })
      sent.end(body)
    })
  const began = performance.now()
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - began) / 1000) {
    while (open.length < elapsed * rate) open.push(post())
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const answers = await Promise.all(open)
  agent.destroy()
  return { total: answers.length, failed: answers.filter((good) => !good).length }
}
