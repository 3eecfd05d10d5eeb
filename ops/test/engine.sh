#!/usr/bin/env bash
# A Docker engine in a folder: the first process of namespaces of its own, which end with it. ops/test/compose.sh calls it.
# engine.sh WORK KEPT COMMAND...: the folder of this run, that of Debian's files, and what is to be done with the engine
set -euo pipefail
work="$1" kept="$2" root="$2/engine"
shift 2

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
cd "$work/repository"

# The store of images that new installations have: the other one can't hold images of several platforms.
dockerd --feature containerd-snapshotter=true --cgroup-parent "/$ENGINE_GROUP" >"$work/engine.log" 2>&1 &
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

export WORK="$work" COMPOSE_TEST_ADDRESS=203.0.113.1
timeout --kill-after=10 500 "$@"
