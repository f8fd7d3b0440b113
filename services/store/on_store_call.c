/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: method number to desk, by table. */
#include "proto/feed_records.h"
#include "services/store/desks.h"

typedef void (*call_fn)(struct store *store, struct peer *peer, struct call_request request,
                        struct slice body);

void
on_store_call(struct store *store, struct peer *peer, struct call_request request, uint16_t method,
              struct slice body)
{
    static const struct {
        uint16_t method;
        call_fn fn;
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
    };
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].method == method) {
            table[i].fn(store, peer, request, body);
            return;
        }
    }
    peers_reply(store->peers, request, ERR_UNSUPPORTED, slice_of(NULL, 0));
}
