#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes what kustomize takes from the chart, the one truth: base/ (any server from 1.20 on),
# availability/ (autoscaling and disruption budgets, from 1.23 on), the store of overlays/databases and
# the user of overlays/development.
#
#   HELM=helm   OUT=this folder
set -euo pipefail
cd "$(dirname "$0")"
out=${OUT:-.}
helm=$(command -v "${HELM:-helm}") || { echo "render.sh: there is no ${HELM:-helm}" >&2; exit 1; }
render() { # file, kinds, name (regular expressions), flags...
	local file=$out/$1 kinds=$2 name=$3
	shift 3
	mkdir -p "$(dirname "$file")"
	{
		echo "# Made by k8s/render.sh from k8s/chart."
		"$helm" template sluice chart --namespace sluice --kube-version 1.33.0 "$@" | grep -v '^# Source: ' |
			awk -v RS='(^|\n)---\n' -v kinds="$kinds" -v name="$name" '
				$0 ~ "(^|\n)kind: (" kinds ")(\n|$)" && $0 ~ "\n  name: (" name ")(\n|$)" { sub(/\n+$/, ""); print "---\n" $0 }'
	} >"$file.new"
	mv "$file.new" "$file" # what is there stays when helm fails
}
# Disruption budgets came with 1.21: what a server does not know would stop the rest.
render base/sluice.yaml '.*' '.*' --set gateway.podDisruptionBudget.enabled=false --set rest.podDisruptionBudget.enabled=false
render availability/sluice.yaml 'PodDisruptionBudget|HorizontalPodAutoscaler' '.*' --set gateway.autoscaling.enabled=true
render overlays/databases/store.yaml StatefulSet sluice-store --set store.driver=redis --set store.people=mysql \
	--set 'store.mysql.hosts={mariadb:3306}' --set 'store.redis.hosts={redis:6379}'
render overlays/development/example-user.yaml Job 'sluice-example-user.*' --set exampleUser.name=guest --set exampleUser.password=guest
