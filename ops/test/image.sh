#!/usr/bin/env bash
# Builds the Dockerfile without Docker, and runs what comes out of it: buildah over two base images that are made here,
# Debian with Node and npm in place of Docker's node image, and its C++ libraries alone in place of distroless. It wants
# root, and buildah, debootstrap and npm; with --install it fetches the first two. It takes some minutes, and less
# where IMAGE_TEST_BASE names a folder in which Debian's files are kept between runs. Not part of .ci/run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/sbin:/sbin"

[[ $(id -u) == 0 ]] || { echo "It needs root." >&2 && exit 1; }
if [[ ${1:-} == --install ]]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap debian-archive-keyring >/dev/null
fi
for tool in buildah debootstrap dpkg-deb npm unshare; do
  command -v "$tool" >/dev/null || { echo "There is no $tool here." >&2 && exit 1; }
done

work="$(mktemp -d)"
debian="${IMAGE_TEST_BASE:-$work/debian}"
# Images of one layer each, in a store of their own. `vfs` needs nothing from the kernel.
store() {
  command buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"
}
cleanup() {
  store rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

# $1: a folder; $2: the image's name
image_of() {
  local container
  container="$(store from scratch)"
  store add -q "$container" "$1" / >/dev/null
  store config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  store commit -q --rm --format docker "$container" "$2" >/dev/null
}

node="$(npx --no-install node -p process.execPath)"
if [[ ! -e $debian/.complete ]]; then
  echo "debootstrap ..."
  debootstrap --variant=minbase --include=ca-certificates bookworm "$debian" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2 && exit 1; }
  touch "$debian/.complete"
fi

echo "base images ..."
mkdir -p "$work/distroless"
for package in base-files gcc-12-base libc6 libgcc-s1 libstdc++6 tzdata; do
  dpkg-deb --extract "$debian"/var/cache/apt/archives/"$package"_*.deb "$work/distroless"
done
install -D "$debian/etc/ssl/certs/ca-certificates.crt" "$work/distroless/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$work/distroless/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/distroless/etc/group"
printf 'hosts: files dns\n' >"$work/distroless/etc/nsswitch.conf"
image_of "$work/distroless" localhost/runtime
rm -rf "$work/distroless"
install -D "$node" "$debian/usr/local/bin/node"
rm -rf "$debian/usr/local/lib/node_modules"
mkdir -p "$debian/usr/local/lib/node_modules"
cp -r "$(npm root --global)/npm" "$debian/usr/local/lib/node_modules/"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$debian/usr/local/bin/npm"
image_of "$debian" localhost/node

# npm inside asks the registry that npm outside asks, and trusts whom it trusts.
registry=(--volume "$work/npmrc:/root/.npmrc:ro")
echo "registry=$(npm config get registry)" >"$work/npmrc"
authorities="$(npm config get cafile)"
if [[ -f $authorities ]]; then
  echo "cafile=/run/authorities.crt" >>"$work/npmrc"
  registry+=(--volume "$authorities:/run/authorities.crt:ro")
fi

echo "build ..."
store bud --isolation chroot --network host --format docker --pull-never "${registry[@]}" \
  --build-arg NODE_IMAGE=localhost/node --build-arg RUNTIME_IMAGE=localhost/runtime \
  --build-arg VERSION="$(node -p 'require("./package.json").version')" \
  --tag localhost/ai-ticket . >"$work/log" 2>&1 || { tail -40 "$work/log" >&2 && exit 1; }

container="$(store from --pull-never localhost/ai-ticket)"
store inspect --type image localhost/ai-ticket >"$work/image.json"
timeout --kill-after=10 150 "$node" ops/test/image.ts "$(store mount "$container")" "$work/image.json"
