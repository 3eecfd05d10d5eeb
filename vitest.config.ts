import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Tests wait for what they are waiting for; a busy machine takes longer.
    testTimeout: 20_000,
    maxWorkers: 2
  }
})
