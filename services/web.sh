#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# web.sh: makes build/web, which rest serves: the console (a copy of services/rest/console) and
# Swagger UI from the npm package of this version and hash. Fetched once; a package that cannot be
# had is said in one line and is no failure: the page then says how to get it.
# DESTINATION (default build/web) may be another directory.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
web=${DESTINATION:-$top/build/web}
version=5.35.0
sha512='U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=='
files='swagger-ui.css swagger-ui-bundle.js swagger-ui-standalone-preset.js favicon-32x32.png LICENSE NOTICE'

mkdir -p "$web" 2>/dev/null && [ -w "$web" ] || { echo "web.sh: cannot write $web" >&2; exit 1; }
if [ -d "$top/services/rest/console" ]; then
	rm -rf "$web/console.new"
	cp -r "$top/services/rest/console" "$web/console.new"
	rm -rf "$web/console"
	mv "$web/console.new" "$web/console"
fi

[ "$(cat "$web/swagger-ui/version" 2>/dev/null)" != "$version" ] || exit 0
skip() { echo "Swagger UI is not there ($*); \`make web\` tries again" >&2; exit 0; }
command -v npm >/dev/null || "$top/services/install.sh" web >/dev/null 2>&1 || true
command -v npm >/dev/null || skip "npm is missing"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "swagger-ui-dist@$version" >/dev/null 2>"$work/log" || skip "npm pack failed: $(tail -n 1 "$work/log")"
package=swagger-ui-dist-$version.tgz
[ "$(openssl dgst -sha512 -binary "$package" | base64 -w0)" = "$sha512" ] || skip "$package has another hash than expected"
tar xzf "$package"
mkdir -p "$web/swagger-ui.new"
for f in $files; do cp "package/$f" "$web/swagger-ui.new/"; done
echo "$version" >"$web/swagger-ui.new/version"
rm -rf "$web/swagger-ui"
mv "$web/swagger-ui.new" "$web/swagger-ui"
