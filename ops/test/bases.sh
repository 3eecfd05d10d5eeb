# shellcheck shell=bash
# What the Dockerfile's base images are stood in for with, as folders made from Debian's packages. ops/test/image.sh and
# compose.sh read it.

# $1: a folder; what follows: debootstrap's options and the release. A folder that is complete is left as it is.
debian() {
  local folder="$1" log
  shift
  [[ -e $folder/.complete ]] && return
  echo "debootstrap ${folder##*/} ..."
  log="$(mktemp)"
  debootstrap --variant=minbase "$@" "$folder" >"$log" 2>&1 || { tail -20 "$log" >&2 && rm "$log" && return 1; }
  rm "$log"
  touch "$folder/.complete"
}

# In place of distroless. $1: where Debian's packages are; $2: a folder to be made; $3: the authorities
distroless() {
  local package
  mkdir -p "$2"
  for package in base-files gcc-12-base libc6 libgcc-s1 libstdc++6 tzdata; do
    dpkg-deb --extract "$1"/var/cache/apt/archives/"$package"_*.deb "$2"
  done
  install -D "$3/etc/ssl/certs/ca-certificates.crt" "$2/etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$2/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' >"$2/etc/group"
  printf 'hosts: files dns\n' >"$2/etc/nsswitch.conf"
}

# In place of Docker's node image: a Debian gets this machine's Node of the lockfile, and its npm. $1: the Debian
with_node() {
  install -D "$(npx --no-install node -p process.execPath)" "$1/usr/local/bin/node"
  rm -rf "$1/usr/local/lib/node_modules"
  mkdir -p "$1/usr/local/lib/node_modules"
  cp -r "$(npm root --global)/npm" "$1/usr/local/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
}

# The same Node for another platform, from the package that the lockfile has for it. $1: its architecture; $2: a folder to be
# made
node_of() {
  local package="node-linux-$1" packed
  packed="$(mktemp -d)"
  npm pack --silent --pack-destination "$packed" \
    "$package@$(node -p "require('./package.json').optionalDependencies['$package']")" >/dev/null
  tar --extract --file "$packed/$package"-*.tgz --directory "$packed" package/bin/node
  install -D "$packed/package/bin/node" "$2/usr/local/bin/node"
  rm -rf "$packed"
}

# Has the kernel run arm64's programs by QEMU's emulator, for as long as this script takes care to say `emulate_no_more`.
formats=/proc/sys/fs/binfmt_misc
format="ai-ticket-$$"
mounted=false
emulate() {
  [[ -e $formats/register ]] || { mount -t binfmt_misc binfmt_misc "$formats" && mounted=true; }
  # ELF's head of an arm64 program. F: the emulator is opened now, and needn't be in the image.
  printf '%s' ":$format:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$(command -v qemu-aarch64-static):OCF" >"$formats/register"
}
emulate_no_more() {
  [[ ! -e $formats/$format ]] || echo -1 >"$formats/$format"
  [[ $mounted == false ]] || umount "$formats"
}
