/** What an exit code of the program tells. */
export interface ExitCode {
  readonly code: number
  readonly when: string
}

/** Every code that `ai-ticket` exits with: scripts may rely on them. */
export const exitCodes = {
  done: { code: 0, when: "done; `serve` and `simulate`: ended by a signal, with everything closed" },
  refused: {
    code: 1,
    when: "the service said no or isn't ready, an event of a batch failed, what answered isn't ai-ticket, or the start failed for a reason outside the settings"
  },
  usage: { code: 2, when: "a wrong flag, argument, subcommand or setting" },
  unreachable: { code: 3, when: "the service could not be reached or didn't answer in time, or its answer broke off" },
  interrupted: { code: 130, when: "interrupted with Ctrl-C (SIGINT)" },
  terminated: { code: 143, when: "ended by SIGTERM before it was done" }
} as const satisfies Record<string, ExitCode>

export type Outcome = keyof typeof exitCodes
