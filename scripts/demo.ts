/**
 * The whole way of an event, from the command line to an answer: starts the simulator and the service on free ports,
 * asks over HTTP, prints the completion, and stops both. What it does is told on stderr.
 */
import { listening, patiently, runScript, start, stop } from "./programs.ts"

const tell = (line: string) => void process.stderr.write(`${line}\n`)

const demo = async (prompt: string): Promise<void> => {
  const simulator = start("simulate", "--port", "0")
  const backend = await listening(simulator)
  tell(`ai-ticket simulate    a KoboldCpp without a model, on ${backend}`)
  const service = start("serve", "--port", "0", "--koboldcpp-url", backend, "--log-level", "info")
  const url = await listening(service)
  tell(`ai-ticket serve       the service in front of it, on ${url}`)
  tell(`ai-ticket prompt      sends it ${JSON.stringify(prompt)}, and prints the completion:\n`)
  const asking = start("prompt", "--server-url", url, "--", prompt)
  if ((await patiently("The answer", asking.exited)) !== 0) throw new Error(`No completion. ${asking.output.stderr}`)
  process.stdout.write(asking.output.stdout)
  await stop(service)
  await stop(simulator)
}

await runScript("The demo", () => demo(process.argv[2] ?? "Summarise open tickets"))
