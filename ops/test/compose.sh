#!/usr/bin/env bash
# compose.yaml and its profile `demo`, for real: ops/test/compose.ts against a Docker engine of this script's own. It wants
# root, and debootstrap and npm; with --install it fetches the first. It takes some minutes, and less where IMAGE_TEST_BASE
# names a folder in which Debian's files are kept between runs. With --here it takes the engine that is there, and the images
# of compose.yaml. Not part of .ci/run.
#
# The engine, Compose, BuildKit and nginx are those of Debian's testing release, in a folder; the base images are made from
# Debian's packages, and npm's are brought along. Everything runs in namespaces of its own, without a way out and gone
# with this script: no image is pulled, and nothing of this machine's network is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=ops/test/bases.sh
source ops/test/bases.sh
group=ai-ticket-test

# The second half, as the first process of the namespaces. $1: the folder of this run; $2: that of Debian's files
if [[ ${1:-} == --inside ]]; then
  work="$2" kept="$3" root="$3/engine"
  ip link set lo up
  # For those who are to look as if they came from outside: an address of documentation's.
  ip address add 203.0.113.1/32 dev lo
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  for folder in sys dev; do mount --rbind "/$folder" "$root/$folder"; done
  mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$work/data" "$root/var/lib/docker" "$root$work" "$root"/srv/{debian,nginx}
  mount --bind "$work/data" "$root/var/lib/docker"
  mount --bind "$work" "$root$work"
  for folder in debian nginx; do mount --bind "$kept/$folder" "$root/srv/$folder"; done
  # A root in earnest: within a mere chroot the engine would look for what it runs in the wrong one.
  cd "$root"
  pivot_root . .
  umount --lazy .
  cd /

  dockerd --cgroup-parent "/$group" >"$work/engine.log" 2>&1 &
  for _ in {1..150}; do docker info >/dev/null 2>&1 && break || sleep 0.2; done
  docker info >/dev/null 2>&1 || { tail -40 "$work/engine.log" >&2 && exit 1; }

  echo "base images ..."
  # $1: a folder; $2: the image's name
  image_of() {
    tar --create --directory "$1" . |
      docker import --change "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" - "$2" >/dev/null
  }
  export NODE_IMAGE=local/node RUNTIME_IMAGE=local/runtime NGINX_IMAGE=local/nginx
  image_of /srv/debian "$NODE_IMAGE"
  image_of "$work/distroless" "$RUNTIME_IMAGE"
  image_of /srv/nginx "$NGINX_IMAGE"
  cd "$work/repository"
  COMPOSE_TEST_ADDRESS=203.0.113.1 timeout --kill-after=10 500 "$work/node" ops/test/compose.ts
  exit
fi

# $1: a folder that gets what a fresh clone has, and what the quick start has one make
clone() {
  mkdir -p "$1"
  git ls-files --cached --others --exclude-standard -z | tar --create --null --files-from - | tar --extract --directory "$1"
  "$1/ops/dev-certs.sh" >/dev/null
  (umask 022 && openssl rand -hex 32 >"$1/ops/secrets/ai_ticket_auth_token.txt")
}

install=false
here=false
for argument in "$@"; do
  case "$argument" in
    --install) install=true ;;
    --here) here=true ;;
    *) echo "usage: ops/test/compose.sh [--install | --here]" >&2 && exit 2 ;;
  esac
done
work="$(mktemp -d)"
inside=
cleanup() {
  # The namespaces end with their first process, and with them all that runs and is mounted there.
  [[ -z $inside ]] || { kill -KILL "$inside" 2>/dev/null && wait "$inside" 2>/dev/null; } || true
  rm -rf "$work"
  # What the engine leaves of its groups.
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 1' INT TERM
if [[ $here == true ]]; then
  clone "$work/repository"
  node="$(npx --no-install node -p process.execPath)"
  cd "$work/repository"
  timeout --kill-after=10 500 "$node" ops/test/compose.ts
  exit
fi

[[ $(id -u) == 0 ]] || { echo "It needs root." >&2 && exit 1; }
if [[ $install == true ]]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring >/dev/null
fi
for tool in debootstrap dpkg-deb git ip npm openssl unshare; do
  command -v "$tool" >/dev/null || { echo "There is no $tool here." >&2 && exit 1; }
done

kept="${IMAGE_TEST_BASE:-$work/base}"
mkdir -p "$kept"
debian "$kept/debian" --include=ca-certificates bookworm
debian "$kept/engine" --include=ca-certificates,containerd,docker-buildx,docker-cli,docker-compose,docker.io,iptables,runc testing
debian "$kept/nginx" --include=curl,nginx-light testing
# As in nginx's own image.
ln -sf /dev/stdout "$kept/nginx/var/log/nginx/access.log"
ln -sf /dev/stderr "$kept/nginx/var/log/nginx/error.log"
distroless "$kept/debian" "$work/distroless" "$kept/debian"
with_node "$kept/debian"
install -D "$(npx --no-install node -p process.execPath)" "$work/node"
clone "$work/repository"

echo "npm's packages ..."
mkdir "$work/packages"
cp package.json package-lock.json "$work/packages/"
(cd "$work/packages" && npm ci --silent --ignore-scripts --no-audit --no-fund --cache "$kept/debian/var/cache/npm")
rm -rf "$work/packages"
printf 'offline=true\ncache=/var/cache/npm\nregistry=%s\nupdate-notifier=false\n' "$(npm config get registry)" >"$kept/debian/root/.npmrc"

unshare --mount --net --pid --fork --kill-child -- bash ops/test/compose.sh --inside "$work" "$kept" &
inside=$!
wait "$inside"
