#!/usr/bin/env bash
# The scrape configuration, the alerts and the dashboard's queries, by the real promtool. It takes the promtool that is on
# the PATH; with --install it fetches Debian's prometheus where it may. It ends by itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

install() {
  as_root apt-get update -qq &&
    # As a program alone: no service is started.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus
}

if ! command -v promtool >/dev/null && [[ ${1:-} == --install ]] && command -v apt-get >/dev/null && as_root true 2>/dev/null; then
  install >/dev/null 2>&1 || echo "prometheus can't be installed." >&2
fi
if ! command -v promtool >/dev/null; then
  echo "There is no promtool here and none can be installed: the alerts were NOT tested." >&2
  exit "$([[ ${1:-} == --install ]] && echo 0 || echo 1)"
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
timeout 60 promtool check config ops/prometheus/prometheus.yml
timeout 60 promtool test rules ops/prometheus/alerts.test.yml
npx --no-install node ops/test/dashboardRules.ts ops/grafana/ai-ticket.json >"$folder/dashboard.yml"
timeout 60 promtool check rules "$folder/dashboard.yml"
