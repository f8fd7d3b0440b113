#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make test-interop`: the scenarios with every client library that the tests know. What
# comes from registries of other languages is fetched in fixed versions into build/interop/.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/build/interop
export GOTOOLCHAIN=local GOFLAGS=-mod=mod CARGO_TARGET_DIR=$out/rust
mkdir -p "$out/node" "$out/go"

make --no-print-directory -s -j"$(nproc)" FLAVOUR=release programs interop
echo "fetching and building clients of other languages"
[ -x "$out/python/bin/python3" ] || python3 -m venv "$out/python"
"$out/python/bin/pip" -q install -r tests/interop/python_requirements.txt
cp tests/interop/node/package.json tests/interop/node/package-lock.json "$out/node/"
npm --prefix "$out/node" ci --silent --no-audit --no-fund --ignore-scripts
(cd tests/interop/go && GOFLAGS=-mod=readonly go build -o "$out/go/client" .)
mvn -q -B -f tests/interop/java/pom.xml package dependency:copy-dependencies \
	-DbuildDirectory="$out/java" -DoutputDirectory="$out/java/libraries" -DincludeScope=runtime
cargo build -q --release --locked --manifest-path tests/interop/rust/Cargo.toml
FLAVOUR=release tests/run.py tests/interop/*_test.py tests/interop/toolchains.py
