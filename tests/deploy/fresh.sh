#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In a bare debian:bookworm-slim with only git and make added: a fresh clone's `make test` and
# `make up` install what they need; the demo works. Needs docker and network for packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=sluice-fresh-$$
trap 'docker rm -f "$name" >/dev/null 2>&1 || true' EXIT
mounts=()
# Package sources of this machine, where it has its own.
for f in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d; do
	[ ! -e "$f" ] || mounts+=(-v "$f:$f:ro")
done
docker run -d --name "$name" --init "${mounts[@]}" -v "$PWD:/src:ro" debian:bookworm-slim sleep infinity >/dev/null
run() { docker exec "$name" bash -c "$1"; }
run 'apt-get update -qq && apt-get install -y -qq --no-install-recommends git make >/dev/null'
run 'git config --global --add safe.directory "*" && git clone -q /src /root/sluice'
begin=$SECONDS
run 'cd /root/sluice && make test' | tee /dev/stderr | tail -1 | grep -E '^[0-9]+ passed, 0 failed$'
echo "make test took $((SECONDS - begin)) s"
run 'cd /root/sluice && make up && (timeout 20 mosquitto_sub -t test/c -p 18883 -i test -u guest -P guest -V mqttv5 -C 1 >/tmp/got & \
	for i in $(seq 50); do curl -s http://127.0.0.1:9101/metrics | grep -q "^sluice_gateway_subscriptions 1" && break; sleep 0.1; done; \
	mosquitto_pub -t test/c -p 18883 -i test1 -u guest -P guest -m "it works" -q 2 -V mqttv5; wait; grep -qx "it works" /tmp/got) && make down'
echo "fresh: make test and make up work"
