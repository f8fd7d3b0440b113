#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make test-browser`: fetches the driver of the browser and the client libraries in fixed versions into
# build/browser, then runs the tests with Debian's Chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build/browser
cp tests/browser/package.json tests/browser/package-lock.json build/browser/
npm --prefix build/browser ci --silent --no-audit --no-fund --ignore-scripts
FLAVOUR=release tests/run.py tests/browser/*_test.py
