import { readFileSync } from "node:fs"

interface Panel {
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}

/** A dashboard's queries, with what Grafana puts in place of its variables: every instance, and a time that rates are over. */
export const queriesOf = (file: string, rateInterval: string): ReadonlyArray<{ title: string; expr: string }> => {
  const { panels }: { readonly panels: ReadonlyArray<Panel> } = JSON.parse(readFileSync(file, "utf8"))
  return panels.flatMap(({ targets = [], title }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr
        .replaceAll("$__rate_interval", rateInterval)
        .replaceAll("$instance", ".+")
        .replaceAll("$job", "ai-ticket")
    }))
  )
}
