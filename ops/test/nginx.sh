#!/usr/bin/env bash
# The real nginx, with compose's own configuration, in front of the built service and the simulator. It wants dist/, and
# nginx and openssl as Debian has them; with --install it fetches nginx where it may. It ends by itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Debian keeps it where only root looks.
PATH="$PATH:/usr/sbin"

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

install() {
  as_root apt-get update -qq &&
    # As a program alone: no service is started.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends nginx-light
}

if ! command -v nginx >/dev/null && [[ ${1:-} == --install ]] && command -v apt-get >/dev/null && as_root true 2>/dev/null; then
  install >/dev/null || echo "nginx can't be installed." >&2
fi
if ! command -v nginx >/dev/null; then
  echo "There is no nginx here and none can be installed: the proxy's configuration was NOT tested." >&2
  exit "$([[ ${1:-} == --install ]] && echo 0 || echo 1)"
fi
[[ -f dist/ai-ticket.js ]] || { echo "There is no dist: npm run build makes it." >&2 && exit 1; }

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
CERTS_DIR="$folder/etc/certs" ops/dev-certs.sh >/dev/null
timeout --kill-after=10 150 npx --no-install node ops/test/nginx.ts "$folder"
