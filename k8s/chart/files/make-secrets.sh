# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Creates the Secret {{ include "sluice.secret" . }} with random values; 409: it is there already.
account=/var/run/secrets/kubernetes.io/serviceaccount
random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
code=$(printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s"},"stringData":{"cluster-secret":"%s","api-key":"%s","mariadb-password":"%s","redis-password":"%s"}}' \
  '{{ include "sluice.secret" . }}' "$(random)" "$(random)" "$(random)" "$(random)" |
  curl --http1.1 -sS -o /dev/null -w '%{http_code}' --max-time 10 --cacert $account/ca.crt \
    -H "Authorization: Bearer $(cat $account/token)" -H 'Content-Type: application/json' --data-binary @- \
    "https://kubernetes.default.svc/api/v1/namespaces/$(cat $account/namespace)/secrets")
case $code in
201) echo "created" ;;
409) echo "there already" ;;
*) echo "the API server answered $code"; exit 1 ;;
esac
