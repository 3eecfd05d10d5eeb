#!/usr/bin/env bash
# Builds the Dockerfile without Docker, and runs what comes out of it: buildah over two base images that are made here,
# Debian with Node and npm in place of Docker's node image, and its C++ libraries alone in place of distroless. It wants
# root, and buildah, debootstrap and npm; with --install it fetches the first two. It takes some minutes, and less
# where IMAGE_TEST_BASE names a folder in which Debian's files are kept between runs. Not part of .ci/run.
#
# With --arm64 it is arm64's image that is built, here and without an emulator, and then run, by QEMU's. The kernel is told
# of that for as long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=ops/test/bases.sh
source ops/test/bases.sh

install=false
architecture=amd64
for argument in "$@"; do
  case "$argument" in
    --install) install=true ;;
    --arm64) architecture=arm64 ;;
    *) echo "usage: ops/test/image.sh [--install] [--arm64]" >&2 && exit 2 ;;
  esac
done
[[ $(id -u) == 0 ]] || { echo "It needs root." >&2 && exit 1; }
[[ $(dpkg --print-architecture) == amd64 ]] || { echo "It builds on amd64 alone." >&2 && exit 1; }
emulator=()
[[ $architecture == amd64 ]] || emulator=(qemu-aarch64-static)
if [[ $install == true ]]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    buildah debootstrap debian-archive-keyring "${emulator[@]/%qemu-aarch64-static/qemu-user-static}" >/dev/null
fi
for tool in buildah debootstrap dpkg-deb npm unshare "${emulator[@]}"; do
  command -v "$tool" >/dev/null || { echo "There is no $tool here." >&2 && exit 1; }
done

work="$(mktemp -d)"
kept="${IMAGE_TEST_BASE:-$work}"
# Images of one layer each, in a store of their own. `vfs` needs nothing from the kernel.
store() {
  command buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"
}
cleanup() {
  store rm --all >/dev/null 2>&1 || true
  emulate_no_more
  rm -rf "$work"
}
trap cleanup EXIT

# $1: a folder; $2: the image's name; $3: its architecture
image_of() {
  local container
  container="$(store from scratch)"
  store add -q "$container" "$1" / >/dev/null
  store config --arch "$3" --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  store commit -q --rm --format docker "$container" "$2" >/dev/null
}

debian "$kept/debian" --include=ca-certificates bookworm
[[ $architecture == amd64 ]] || debian "$kept/$architecture" --arch="$architecture" --foreign bookworm

echo "base images ..."
mkdir "$work/target"
if [[ $architecture == amd64 ]]; then
  distroless "$kept/debian" "$work/distroless" "$kept/debian"
else
  distroless "$kept/$architecture" "$work/distroless" "$kept/debian"
  node_of "$architecture" "$work/target"
  image_of "$work/target" localhost/target-node "$architecture"
fi
image_of "$work/distroless" localhost/runtime "$architecture"
with_node "$kept/debian"
image_of "$kept/debian" localhost/node amd64
rm -rf "$work/distroless" "$work/target"

# npm inside asks the registry that npm outside asks, and trusts whom it trusts.
registry=(--volume "$work/npmrc:/root/.npmrc:ro")
echo "registry=$(npm config get registry)" >"$work/npmrc"
authorities="$(npm config get cafile)"
if [[ -f $authorities ]]; then
  echo "cafile=/run/authorities.crt" >>"$work/npmrc"
  registry+=(--volume "$authorities:/run/authorities.crt:ro")
fi

target=localhost/node
[[ $architecture == amd64 ]] || target=localhost/target-node
echo "build ..."
# Debian's buildah doesn't know BUILDPLATFORM where it builds for another one, and takes a stage's platform for that of
# those below it: so both are written out.
# shellcheck disable=SC2016
sed -e 's|--platform=${BUILDPLATFORM} ${NODE_IMAGE}|--platform=linux/amd64 localhost/node|' \
  -e "s|^FROM \${RUNTIME_IMAGE}|FROM --platform=linux/$architecture localhost/runtime|" Dockerfile >"$work/Dockerfile"
store bud --isolation chroot --network host --format docker --pull-never "${registry[@]}" \
  --file "$work/Dockerfile" --platform "linux/$architecture" \
  --build-arg NODE_IMAGE="$target" --build-arg RUNTIME_IMAGE=localhost/runtime \
  --build-arg VERSION="$(node -p 'require("./package.json").version')" \
  --tag localhost/ai-ticket . >"$work/log" 2>&1 || { tail -40 "$work/log" >&2 && exit 1; }

container="$(store from --pull-never --platform "linux/$architecture" localhost/ai-ticket)"
store inspect --type image localhost/ai-ticket >"$work/image.json"
[[ $architecture == amd64 ]] || emulate
timeout --kill-after=10 300 npx --no-install node ops/test/image.ts "$(store mount "$container")" "$work/image.json" "$architecture"
