#!/usr/bin/env bash
# The metrics by the real Prometheus: what promtool says of them, and what a server has scraped. It wants dist/, and
# prometheus as Debian has it; with --install it fetches that where it may. It ends by itself.
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

is_there() {
  command -v prometheus >/dev/null && command -v promtool >/dev/null
}

if ! is_there && [[ ${1:-} == --install ]] && command -v apt-get >/dev/null && as_root true 2>/dev/null; then
  install >/dev/null 2>&1 || echo "prometheus can't be installed." >&2
fi
if ! is_there; then
  echo "There is no prometheus here and none can be installed: the metrics were NOT tested by it." >&2
  exit "$([[ ${1:-} == --install ]] && echo 0 || echo 1)"
fi
[[ -f dist/ai-ticket.js ]] || { echo "There is no dist: npm run build makes it." >&2 && exit 1; }

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
timeout --kill-after=10 120 npx --no-install node ops/test/prometheus.ts "$folder"
