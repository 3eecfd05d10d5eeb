#!/usr/bin/env bash
# The image for both platforms as the release makes it, by BuildKit and with a registry of its own, and run on both.
# ops/test/compose.sh --platforms calls it, inside; WORK/arm64 has arm64's base images, as folders.
set -euo pipefail
registry=127.0.0.1:5000
export SOURCE_DATE_EPOCH=1700000000

cat >"$WORK/registry.yml" <<END
version: 0.1
storage: { filesystem: { rootdirectory: $WORK/registry } }
http: { addr: "$registry" }
END
docker-registry serve "$WORK/registry.yml" >"$WORK/registry.log" 2>&1 &
trap 'kill %1' EXIT
for _ in {1..50}; do curl --silent --output /dev/null "http://$registry/v2/" && break || sleep 0.1; done

# One name for two platforms, as Docker's node image and distroless have.
bases=()
for name in node runtime; do
  docker tag "local/$name" "$registry/$name:amd64"
  tar --create --directory "$WORK/arm64/$name" . |
    docker import --platform linux/arm64 --change "ENV PATH=/usr/local/bin:/usr/bin:/bin" - "$registry/$name:arm64" >/dev/null
  for architecture in amd64 arm64; do
    docker push --quiet --platform "linux/$architecture" "$registry/$name:$architecture" >/dev/null 2>&1
  done
  docker buildx imagetools create --tag "$registry/$name:both" "$registry/$name:amd64" "$registry/$name:arm64" 2>/dev/null
  digest="$(docker buildx imagetools inspect "$registry/$name:both" --format '{{json .Manifest.Digest}}' | tr -d '"')"
  [[ $digest == sha256:* ]]
  bases+=(--build-arg "${name^^}_IMAGE=$registry/$name:both@$digest")
done

build() {
  docker buildx build --platform linux/amd64,linux/arm64 "${bases[@]}" \
    --build-arg VERSION=1.2.3 --build-arg REVISION=none "$@" . >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log" >&2 && exit 1; }
}

echo "build, twice ..."
for run in 1 2; do
  build --no-cache --provenance=false --output "type=oci,dest=$WORK/image.tar,rewrite-timestamp=true" --metadata-file "$WORK/build-$run.json"
done
digest_of() {
  grep --only-matching --perl-regexp '"containerimage.digest": *"\K[^"]+' "$1"
}
first="$(digest_of "$WORK/build-1.json")"
[[ $first == "$(digest_of "$WORK/build-2.json")" ]] || { echo "failed: two builds, two images" >&2 && exit 1; }
echo "the same twice: $first"

image="$registry/ai-ticket:1.2.3"
build --provenance=mode=max --tag "$image" --push
digest="$(docker buildx imagetools inspect "$image" --format '{{json .Manifest.Digest}}' | tr -d '"')"
for platform in linux/amd64 linux/arm64; do
  docker buildx imagetools inspect "$image" --format "{{json (index .Provenance \"$platform\").SLSA}}" |
    grep --quiet "${bases[1]#*@sha256:}" || { echo "failed: $platform's provenance doesn't name its base" >&2 && exit 1; }
  told="$(docker run --rm --platform "$platform" --read-only --cap-drop ALL "$image@$digest" --version)"
  node="$(docker run --rm --platform "$platform" --read-only --cap-drop ALL --entrypoint node "$image@$digest" --print process.arch)"
  echo "$platform: pushed, with provenance; $told on $node"
done
[[ $node == arm64 ]]
echo "all passed"
