import OpenAI from "openai"

// The key is one of your tokens; where none is set, it may be anything.
const client = new OpenAI({ baseURL: process.argv[2] ?? "http://localhost:5000/v1", apiKey: "your-token" })

const stream = await client.chat.completions.create({
  model: "whatever-is-loaded",
  messages: [{ role: "user", content: "Summarise open tickets" }],
  stream: true
})

for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "")
