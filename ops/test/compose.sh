#!/usr/bin/env bash
# compose.yaml and its profile `demo`, for real: ops/test/compose.ts against a Docker engine of this script's own. It wants
# root, and debootstrap and npm; with --install it fetches the first. It takes some minutes, and less where IMAGE_TEST_BASE
# names a folder in which Debian's files are kept between runs. Not part of .ci/run.
#
# --platforms: not the stack, but the image for amd64 and arm64 (platforms.sh); it wants QEMU's emulator as well.
# --here: the stack on the engine that is there, with the images that compose.yaml names.
#
# The engine, Compose, BuildKit and nginx are those of Debian's testing release, in a folder; the base images are made from
# Debian's packages, and npm's are brought along. Everything runs in namespaces of its own, without a way out and gone
# with this script: no image is pulled, and nothing of this machine's network is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=ops/test/bases.sh
source ops/test/bases.sh

install=false
here=false
platforms=false
for argument in "$@"; do
  case "$argument" in
    --install) install=true ;;
    --here) here=true ;;
    --platforms) platforms=true ;;
    *) echo "usage: ops/test/compose.sh [--here | [--install] [--platforms]]" >&2 && exit 2 ;;
  esac
done

work="$(mktemp -d)"
export ENGINE_GROUP=ai-ticket-test
inside=
cleanup() {
  # The namespaces end with their first process, and with them all that runs and is mounted there.
  [[ -z $inside ]] || { kill -KILL "$inside" 2>/dev/null && wait "$inside" 2>/dev/null; } || true
  emulate_no_more
  # The dead take a moment to leave their groups.
  for _ in {1..20}; do
    find /sys/fs/cgroup -depth -type d -path "*/$ENGINE_GROUP*" -exec rmdir {} + 2>/dev/null && break || sleep 0.1
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# What a fresh clone has, and what the quick start has one make.
repository="$work/repository"
mkdir "$repository"
git ls-files --cached --others --exclude-standard -z | tar --create --null --files-from - | tar --extract --directory "$repository"
"$repository/ops/dev-certs.sh" >/dev/null
(umask 022 && openssl rand -hex 32 >"$repository/ops/secrets/ai_ticket_auth_token.txt")
node="$(npx --no-install node -p process.execPath)"

if [[ $here == true ]]; then
  cd "$repository"
  # Beside a stack that may be there.
  export COMPOSE_PROJECT_NAME=ai-ticket-test AI_TICKET_IMAGE=ai-ticket-test:first
  timeout --kill-after=10 500 "$node" ops/test/compose.ts
  exit
fi

[[ $(id -u) == 0 ]] || { echo "It needs root." >&2 && exit 1; }
emulator=()
[[ $platforms == false ]] || emulator=(qemu-aarch64-static)
if [[ $install == true ]]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    debootstrap debian-archive-keyring "${emulator[@]/%qemu-aarch64-static/qemu-user-static}" >/dev/null
fi
for tool in debootstrap dpkg-deb git ip npm openssl unshare "${emulator[@]}"; do
  command -v "$tool" >/dev/null || { echo "There is no $tool here." >&2 && exit 1; }
done

kept="${IMAGE_TEST_BASE:-$work/base}"
mkdir -p "$kept"
debian "$kept/debian" --include=ca-certificates bookworm
debian "$kept/engine" \
  --include=ca-certificates,containerd,curl,docker-buildx,docker-cli,docker-compose,docker-registry,docker.io,iptables,runc testing
debian "$kept/nginx" --include=curl,nginx-light testing
# As in nginx's own image.
ln -sf /dev/stdout "$kept/nginx/var/log/nginx/access.log"
ln -sf /dev/stderr "$kept/nginx/var/log/nginx/error.log"
distroless "$kept/debian" "$work/distroless" "$kept/debian"
with_node "$kept/debian"
install -D "$node" "$work/node"

echo "npm's packages ..."
mkdir "$work/packages"
cp package.json package-lock.json "$work/packages/"
(cd "$work/packages" && npm ci --silent --ignore-scripts --no-audit --no-fund --cache "$kept/debian/var/cache/npm")
rm -rf "$work/packages"
printf 'offline=true\ncache=/var/cache/npm\nregistry=%s\nupdate-notifier=false\n' "$(npm config get registry)" >"$kept/debian/root/.npmrc"

command=("$work/node" ops/test/compose.ts)
if [[ $platforms == true ]]; then
  debian "$kept/arm64" --arch=arm64 --foreign bookworm
  distroless "$kept/arm64" "$work/arm64/runtime" "$kept/debian"
  node_of arm64 "$work/arm64/node"
  emulate
  command=(bash ops/test/platforms.sh)
fi
unshare --mount --net --pid --fork --kill-child -- bash ops/test/engine.sh "$work" "$kept" "${command[@]}" &
inside=$!
wait "$inside"
