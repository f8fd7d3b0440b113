# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Creates the user NAME through the REST API; 400: there already.
code=$(printf '{"password":"%s","roles":["GUEST"]}' "$PASSWORD" |
  curl -sS -o /dev/null -w '%{http_code}' --max-time 10 -X POST -H "X-API-Key: $(cat /run/secrets/sluice/api-key)" \
    -H 'Content-Type: application/json' --data-binary @- "$REST/rest/user/$NAME")
case $code in
201 | 400) ;;
*) echo "creating the user was answered with $code"; exit 1 ;;
esac
