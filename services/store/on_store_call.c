/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: method number to desk, by table. */
#include "proto/feed_records.h"
#include "services/store/call_user.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"

static bool
is_about_people(uint16_t method)
{
    return method == CALL_AUTH ||
           (method >= CALL_USER_GET && method <= CALL_AUDIT_LIST && method != CALL_USER_STATUS);
}

void
on_store_call(struct store *store, struct peer *peer, struct call_request request, uint16_t method,
              struct slice body)
{
    static const struct {
        uint16_t method;
        call_user_fn fn;
    } table[] = {
        {CALL_SESSION_OPEN, on_open},
        {CALL_SESSION_SUBSCRIBE, on_subscription_add},
        {CALL_SESSION_UNSUBSCRIBE, on_subscription_remove},
        {CALL_RETAINED_GET, on_retained_get},
        {CALL_AUTH, on_scram},
        {CALL_USER_GET, on_people_get},
        {CALL_USER_PUT, on_people_put},
        {CALL_USER_DELETE, on_people_delete},
        {CALL_USER_LIST, on_people_list},
        {CALL_USER_STATUS, on_people_status},
        {CALL_USER_VERIFY, on_people_verify},
        {CALL_SIGN_IN, on_signin},
        {CALL_ROLE_PUT, on_role_put},
        {CALL_BAN_PUT, on_ban_put},
        {CALL_KEY_PUT, on_key_put},
        {CALL_KEY_VERIFY, on_key_verify},
        {CALL_AUDIT_APPEND, on_audit_append},
        {CALL_AUDIT_LIST, on_audit_list},
    };
    size_t i;
    if (method >= CALL_ADMIN_STATUS && method <= CALL_ADMIN_TRACE) {
        on_admin(store, request, method, body);
        return;
    }
    if (store->shard != SHARDS_PEOPLE && is_about_people(method)) {
        neighbours_refused(store, "people");
        peers_reply(store->peers, request, ERR_INVALID, slice_of(NULL, 0));
        return;
    }
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].method == method) {
            if (!call_user_waits(store, peer, request, method, body, table[i].fn))
                table[i].fn(store, peer, request, body);
            return;
        }
    }
    if (!on_row(store, request, method, body))
        peers_reply(store->peers, request, ERR_UNSUPPORTED, slice_of(NULL, 0));
}
