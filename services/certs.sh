#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates for trying TLS on this machine, in .sluice/certs: ca.pem, server.pem/.key (localhost,
# 127.0.0.1, ::1 and this host's name), client.pem/.key (user "client"). A second run makes new
# ones of the same CA; a running gateway takes them without a restart. Not for production.
#
#   SLUICE_HOME=.sluice
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${SLUICE_HOME:-$top/.sluice}/certs
fail() { echo "make certs: $*" >&2; exit 1; }
mkdir -p "$dir" 2>/dev/null || fail "cannot write $dir"
chmod 700 "$dir"
umask 077
log=$(mktemp)
trap 'rm -f "$log" "$dir"/new.*' EXIT
run() { openssl "$@" >"$log" 2>&1 || fail "openssl $1: $(tail -n 1 "$log")"; }
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

if [ ! -s "$dir/ca.pem" ]; then
	run req -x509 "${key[@]}" -days 3650 -subj "/CN=Sluice for trying" -keyout "$dir/ca.key" -out "$dir/ca.pem" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
fi
issue() { # name, usage, SAN
	printf 'extendedKeyUsage=%s\n%s\n' "$2" "${3:+subjectAltName=$3}" >"$dir/new.ext"
	run req "${key[@]}" -subj "/CN=$1" -keyout "$dir/new.key" -out "$dir/new.csr"
	run x509 -req -in "$dir/new.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
		-days 365 -extfile "$dir/new.ext" -out "$dir/new.pem"
	mv "$dir/new.key" "$dir/$1.key"
	mv "$dir/new.pem" "$dir/$1.pem"
}
issue server serverAuth "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:$(hostname)"
issue client clientAuth ""
echo "Certificates are in $dir; the next start (make down, make up) uses them, and gateways with TLS have them now."
