#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Starts Sluice on this machine: store(s), core(s), gateway(s), rest, in that order,
# each waited for; creates the development user guest/guest; says where to connect.
# A second run finds everything running and changes nothing. What fails is said
# in one line, and what this run had started is stopped again.
#
#   GATEWAYS=1..2  CORES=1..2  STORES=1..8  SLUICE_HOME=.sluice  and every SLUICE_<SETTING>
#
# Programs that run already keep the settings that they were started with: with others it is refused.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
bin=${SLUICE_BIN:-$top/build/release}
home=${SLUICE_HOME:-$top/.sluice}
gateways=${GATEWAYS:-1} cores=${CORES:-1} stores=${STORES:-1}
unset SLUICE_HOME SLUICE_BIN
host=127.0.0.1

fail() { echo "make up: $*" >&2; exit 1; }
case $gateways in [12]) ;; *) fail "GATEWAYS=$gateways: 1 or 2" ;; esac
case $cores in [12]) ;; *) fail "CORES=$cores: 1 or 2" ;; esac
case $stores in [1-8]) ;; *) fail "STORES=$stores: 1 to 8" ;; esac
mkdir -p "$home"/{run,log,data} 2>/dev/null || fail "cannot write $home"
exec 9>"$home/lock"
flock -n 9 || fail "another make up or make down is running"

secret() { # file: 32 random bytes in hex, kept
	[ -s "$1" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$1")
}
for name in cluster-secret api-key; do
	secret "$home/$name" 2>/dev/null && [ -s "$home/$name" ] || fail "cannot write $home/$name (is the disk full?)"
done

running() { # name: is the program of that pid file alive and ours?
	local pid
	pid=$(cat "$home/run/$1.pid" 2>/dev/null) || return 1
	[ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "SLUICE_INSTANCE=$1"
}
taken() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

layout="GATEWAYS=$gateways CORES=$cores STORES=$stores"
if running store && [ "$(cat "$home/run/layout" 2>/dev/null)" != "$layout" ]; then
	fail "already running with $(cat "$home/run/layout"); run make down first"
fi

# As a hash, since there may be secrets among them.
settings=$({ env | grep ^SLUICE_ | sort || true; [ ! -s "$home/certs/server.pem" ] || echo certificates; } | sha256sum)
if running store && [ "$(cat "$home/run/settings" 2>/dev/null || echo "$settings")" != "$settings" ]; then
	fail "already running with other settings (SLUICE_... or certificates); run make down first"
fi
known=$(for s in gateway core store rest; do "$bin/sluice-$s" --help; done | grep -o 'SLUICE_[A-Z0-9_]*' | sort -u)
for name in $(compgen -e | grep ^SLUICE_ || true); do
	grep -qxF -e "$name" -e "${name%_FILE}" <<<"$known" ||
		echo "make up: $name is a setting of none of the programs; $bin/sluice-gateway --help lists those of the gateway" >&2
done

started=()
undo() {
	[ ${#started[@]} -gt 0 ] || return 0
	local n pid left=100
	for n in "${started[@]}"; do
		kill "$(cat "$home/run/$n.pid" 2>/dev/null)" 2>/dev/null || true
	done
	for n in "${started[@]}"; do # gone, with their ports, before this ends
		pid=$(cat "$home/run/$n.pid" 2>/dev/null) || continue
		while [ -e "/proc/$pid/exe" ] && [ "$left" -gt 0 ]; do
			left=$((left - 1))
			sleep 0.1
		done
		[ "$left" -gt 0 ] || kill -9 "$pid" 2>/dev/null || true
		rm -f "$home/run/$n.pid"
	done
}
trap 'undo' EXIT

said() { # name, service, size of the log before: why it did not start, all mistakes if there are several
	tail -c "+$(($3 + 1))" "$home/log/$1.log" | grep "^sluice-$2: " || tail -n 1 "$home/log/$1.log"
}
start() { # name, service, http port, other ports, VAR=value...
	local name=$1 service=$2 http=$3 ports=$4 p pid before=0 left=300
	shift 4
	! running "$name" || return 0
	[ ! -f "$home/log/$name.log" ] || before=$(stat -c %s "$home/log/$name.log")
	for p in $http $ports; do # 0: off
		[ "$p" = 0 ] || ! taken "$p" || fail "port $p, which $name needs, is in use"
	done
	env "$@" SLUICE_INSTANCE="$name" SLUICE_HTTP_PORT="$http" SLUICE_CLUSTER_SECRET_FILE="$home/cluster-secret" \
		setsid "$bin/sluice-$service" >>"$home/log/$name.log" 2>&1 </dev/null 9>&- &
	pid=$!
	echo "$pid" >"$home/run/$name.pid"
	started+=("$name")
	until curl -sf -o /dev/null --max-time 2 "http://$host:$http/livez"; do
		kill -0 "$pid" 2>/dev/null || fail "$name did not start: $(said "$name" "$service" "$before")"
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "$name does not answer on port $http; see $home/log/$name.log"
		sleep 0.1
	done
}
await_ready() { # name, http port
	local left=300
	until curl -sf -o /dev/null --max-time 2 "http://$host:$2/readyz"; do
		running "$1" || fail "$1 ended: $(tail -n 1 "$home/log/$1.log")"
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "$1 is not ready: $(curl -s --max-time 2 "http://$host:$2/healthz") (see $home/log/$1.log)"
		sleep 0.1
	done
}

core_list=$host:7201
[ "$cores" = 1 ] || core_list=$core_list,$host:7211
store_list=$host:7301
for ((i = 1; i < stores; i++)); do store_list=$store_list,$host:$((7301 + 10 * i)); done
echo "$layout" >"$home/run/layout"
echo "$settings" >"$home/run/settings"

# Ports of the first gateway; the second one has 28883, 28483, 8881, 4444. TLS needs a certificate.
mqtt=${SLUICE_MQTT_PORT:-18883} ws=${SLUICE_WS_PORT:-8880}
rest=${SLUICE_PORT:-8080}
if [ -z "${SLUICE_TLS_CERT:-}" ] && [ -s "$home/certs/server.pem" ]; then
	export SLUICE_TLS_CERT="$home/certs/server.pem" SLUICE_TLS_KEY="$home/certs/server.key"
	export SLUICE_TLS_CA="$home/certs/ca.pem" SLUICE_TLS_CLIENT_CERT=${SLUICE_TLS_CLIENT_CERT:-optional}
	export SLUICE_TLS_IDENTITY=${SLUICE_TLS_IDENTITY:-cn}
fi
tls=0 wss=0
[ -z "${SLUICE_TLS_CERT:-}" ] || { tls=${SLUICE_TLS_PORT:-18483} wss=${SLUICE_WSS_PORT:-4443}; }
unset SLUICE_MQTT_PORT SLUICE_PORT SLUICE_WS_PORT SLUICE_TLS_PORT SLUICE_WSS_PORT
unix=${SLUICE_UNIX_PATH-$home/run/mqtt.sock}
[ -n "${SLUICE_UNIX_PATH-}" ] || [ ${#unix} -le 100 ] || unix='' # the kernel takes 107 bytes
nth() { [ "$1" = 0 ] && echo 0 || echo $(($1 + $2)); } # port, step: 0 stays off
for ((i = 0; i < stores; i++)); do
	n=${i#0} # the first one is "store", its data "data"
	shard=()
	[ "$stores" = 1 ] || shard=(SLUICE_SHARD="$i" SLUICE_SHARDS="$stores" SLUICE_STORES="$store_list")
	start "store$n" store $((9301 + 10 * i)) "$((7301 + 10 * i)) $((7302 + 10 * i))" "${shard[@]}" \
		SLUICE_DATA_DIR="$home/data$n" SLUICE_CORES="$core_list" \
		SLUICE_CALL_LISTEN=$host:$((7301 + 10 * i)) SLUICE_FEED_LISTEN=$host:$((7302 + 10 * i))
done
for ((i = 0; i < cores; i++)); do
	start "core$i" core $((9201 + 10 * i)) "$((7201 + 10 * i)) $((7202 + 10 * i))" \
		SLUICE_CALL_LISTEN=$host:$((7201 + 10 * i)) SLUICE_FEED_LISTEN=$host:$((7202 + 10 * i)) \
		SLUICE_STORES="$stores"
done
second=('' -2)
for ((i = 0; i < gateways; i++)); do
	port=$(nth "$mqtt" $((10000 * i)))
	web=$(nth "$ws" "$i") secure=$(nth "$tls" $((10000 * i))) secure_web=$(nth "$wss" "$i")
	start "gateway$i" gateway $((9101 + 10 * i)) "$port $web $secure $secure_web $((7102 + 10 * i))" \
		SLUICE_MQTT_PORT="$port" SLUICE_WS_PORT="$web" SLUICE_TLS_PORT="$secure" SLUICE_WSS_PORT="$secure_web" \
		SLUICE_UNIX_PATH="${unix:+${unix}${second[i]}}" \
		SLUICE_CORES="$core_list" SLUICE_STORES="$store_list" SLUICE_FEED_LISTEN=$host:$((7102 + 10 * i))
done
start rest rest 9401 "$rest" SLUICE_PORT="$rest" SLUICE_STORES="$store_list" SLUICE_CORES="$core_list" \
	SLUICE_WEB_DIR="${SLUICE_WEB_DIR:-$top/build/web}" SLUICE_API_KEY_FILE="$home/api-key"
for ((i = 0; i < stores; i++)); do await_ready "store${i#0}" $((9301 + 10 * i)); done
for ((i = 0; i < cores; i++)); do await_ready "core$i" $((9201 + 10 * i)); done
for ((i = 0; i < gateways; i++)); do await_ready "gateway$i" $((9101 + 10 * i)); done
await_ready rest 9401

code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 -X POST -H "X-API-Key: $(cat "$home/api-key")" \
	-H 'Content-Type: application/json' -d '{"password":"guest","roles":["GUEST"]}' \
	"http://$host:$rest/rest/user/guest")
case $code in 201 | 400) ;; *) fail "creating the user guest was answered with $code; see $home/log/rest.log" ;; esac
started=()

also() { [ "$gateways" = 1 ] || echo "  and  $1"; } # what the second gateway has
listeners() {
	[ -z "$unix" ] || echo "  UNIX     $unix$(also "$unix-2")"
	[ "$ws" = 0 ] || echo "  WS       ws://$host:$ws$(also "ws://$host:$((ws + 1))")"
	[ "$tls" = 0 ] || echo "  TLS      $host:$tls$(also "$host:$((tls + 10000))")   (--cafile $home/certs/ca.pem; certificates: make certs)"
	[ "$wss" = 0 ] || echo "  WSS      wss://$host:$wss$(also "wss://$host:$((wss + 1))")"
	[ "$tls$wss" != 00 ] || echo "  TLS      off; make certs, make down, make up turns it on"
}
cat <<EOF
Sluice is up.
  MQTT     $host:$mqtt$(also "$host:$((mqtt + 10000))")   (user guest, password guest)
$(listeners)
  console  http://$host:$rest/   (sign in with the key below, or as a user with the role ADMIN)
  API      http://$host:$rest/rest/v3/swagger-ui
  REST     http://$host:$rest/rest     key: $(cat "$home/api-key")
  health   http://$host:9101/healthz (gateway$(also 9111))  :9201 (core$([ "$cores" = 1 ] || echo "  and  9211"))  :9301 (store$([ "$stores" = 1 ] || echo ", 9311 ..."))  :9401 (rest); also /metrics
  logs     $home/log/
  try      mosquitto_sub -t test/c -p $mqtt -i test -u guest -P guest -V mqttv5
           mosquitto_pub -t test/c -p $mqtt -i test1 -u guest -P guest -m "Hello" -q 2 -V mqttv5
  stop     make down
EOF
