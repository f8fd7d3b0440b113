#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Arrows go one way: common -> proto -> services; no service includes another's header.
set -u
bad=0
complain() { [ -z "$2" ] || { echo "layers: $1:"; echo "$2"; bad=1; }; }
complain "common/ includes proto/ or services/" "$(grep -nE '#include "(proto|services|tests)/' common/*.[ch])"
complain "proto/ includes services/" "$(grep -nE '#include "(services|tests)/' proto/*.[ch])"
for s in gateway core store rest; do
	complain "services/$s includes another service" "$(grep -nE '#include "(services|tests)/' services/$s/*.[ch] 2>/dev/null | grep -v "\"services/$s/")"
done
complain "an include path that does not start at the root" \
	"$(grep -rnE '#include "' common proto services --include='*.[ch]' | grep -vE '"(common|proto|services)/')"
complain "file names must be unique" \
	"$(find common proto services -name '*.[ch]' -printf '%f\n' | grep -vE '^main\.c$|_link\.[ch]$' | sort | uniq -d)"
for d in common proto services/gateway services/core services/store services/rest tests; do
	[ ! -d "$d" ] || [ -f "$d/README.md" ] || complain "no README.md in" "$d"
done
complain "no SPDX line in" "$(git ls-files '*.c' '*.h' '*.sh' '*.py' '*.proto' Makefile | xargs -r grep -L 'SPDX-License-Identifier: Apache-2.0')"
exit $bad
