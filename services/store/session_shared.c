/* SPDX-License-Identifier: Apache-2.0 */
/* See session_shared.h. */
#include "services/store/session_shared.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/feed.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"

uint64_t
session_shared_wants(const struct store *store, struct slice filter)
{
    if (!slice_has_prefix(filter, slice_cstr("$share/")))
        return ROUTE_QOS1;
    return records_route_shared(ROUTE_QOS1, subscriptions_awake(store->subscriptions, filter), 0);
}

static void
awake_changed(void *arg, struct slice share)
{
    struct store *store = arg;
    core_client_route_tell(store->cores, share, session_shared_wants(store, share));
}

void
session_shared_wake(struct store *store, struct session *session)
{
    subscriptions_wake(store->subscriptions, session, awake_changed, store);
}

static bool
has_room(void *arg, const struct session *session)
{
    const struct store *store = arg;
    return session_queue_has_room(&session->lasting->queue, 0, store->config->queue_messages,
                                  store->config->queue_bytes);
}

void
session_shared_push(struct store *store, const struct records_shared *shared,
                    const struct publish_record *record)
{
    struct subscription_hit *hit =
        subscriptions_pick(store->subscriptions, shared->share, shared->pick, has_room, store);
    if (hit != NULL)
        session_push_message(store, record, shared->record, hit, 1);
    else if (shared->hops < SHARED_HOPS_MAX)
        session_shared_return(store, shared->share, shared->hops, record);
}

void
session_shared_return(struct store *store, struct slice share, uint8_t hops,
                      const struct publish_record *record)
{
    struct records_shared shared = {
        .number = RECORDS_SHARED_NO_NUMBER, .hops = hops, .share = share};
    session_life_return(store, &shared, record);
}
