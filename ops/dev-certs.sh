#!/usr/bin/env bash
# Makes a self-signed certificate for development: ops/certs/server.crt and server.key, for localhost and the names and
# addresses that are given. It replaces none that is there, unless told to with --force. CERTS_DIR names another folder.
set -euo pipefail
umask 077

force=false
names="DNS:localhost,IP:127.0.0.1,IP:::1"
for argument in "$@"; do
  case "$argument" in
    --force) force=true ;;
    -*) echo "usage: ops/dev-certs.sh [--force] [name or address ...]" >&2 && exit 2 ;;
    *[!0-9.]*:* | *:*) names+=",IP:$argument" ;;
    *[!0-9.]*) names+=",DNS:$argument" ;;
    *) names+=",IP:$argument" ;;
  esac
done

folder="${CERTS_DIR:-$(dirname "${BASH_SOURCE[0]}")/certs}"
mkdir -p "$folder"
if [[ $force == false && (-e $folder/server.key || -e $folder/server.crt) ]]; then
  echo "There is a certificate in $folder already: --force replaces it." >&2
  exit 1
fi

# Made aside, so that a failure leaves nothing half done.
aside="$(mktemp -d "$folder/.new.XXXXXX")"
trap 'rm -rf "$aside"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 365 \
  -subj "/CN=localhost" -addext "subjectAltName=$names" -addext "extendedKeyUsage=serverAuth" \
  -keyout "$aside/server.key" -out "$aside/server.crt" 2>"$aside/log" || { cat "$aside/log" >&2 && exit 1; }
# The folder keeps others out. The files don't, for the proxy in its container is another user, and sees them alone.
chmod 700 "$folder"
chmod 644 "$aside/server.key" "$aside/server.crt"
mv -f "$aside/server.key" "$aside/server.crt" "$folder/"
echo "$folder/server.crt and server.key: for ${names//,/, }, 365 days"
