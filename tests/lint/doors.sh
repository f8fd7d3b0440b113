#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One door per outside thing: who may include or call what.
set -u
bad=0
door() { # what, pattern, allowed files (regex)
	local hits
	hits=$(grep -rnE "$2" common proto services --include='*.[ch]' | grep -vE "^($3):")
	[ -z "$hits" ] || { echo "doors: $1 outside its door:"; echo "$hits"; bad=1; }
}
door nng '#include <nng/' 'common/(call|feed|nng_[a-z]+)\.[ch]'
door OpenSSL '#include <openssl/' 'services/gateway/tls(\.c|_setup\.c|_part\.h)|common/crypt\.c|services/store/driver_redis_stream\.c'
door LMDB '#include <lmdb' 'services/store/driver_lmdb[a-z_]*\.[ch]'
door MySQL '#include <(mysql|mariadb)' 'services/store/driver_mysql[a-z_]*\.[ch]'
door Redis '#include <hiredis' 'services/store/driver_redis[a-z_]*\.[ch]'
door ulfius '#include <ulfius' 'services/rest/[a-z_]+\.[ch]'
door GnuTLS '#include <gnutls' 'services/rest/https_cert\.c'
door jansson '#include <jansson' 'services/rest/[a-z_]+\.[ch]|services/store/transfer_json\.c|services/gateway/tokens\.c'
door libjwt '#include <jwt' 'services/gateway/tokens\.c'
door libevent '#include <event' 'common/(loop|http)\.[ch]|services/gateway/(listener|connection|worker|transport_(tls|ws))\.[ch]'
door malloc '\b(malloc|calloc|realloc|strdup|strndup|free)\(' 'common/mem(_cache)?\.[ch]'
door clock_gettime '\b(clock_gettime|gettimeofday)\(|\btime\(NULL\)' 'common/clock\.[ch]'
door getenv '\bgetenv\(|\benviron\b' 'common/conf[a-z_]*\.[ch]'
door stderr '\(stderr|, *stderr|STDERR_FILENO|\bperror\(' 'common/log\.[ch]'
exit $bad
