/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that operators publish: the store is their origin, as it is of wills. QoS 1 and 2 go
 * through the outbox and are answered when everybody who wants them has them, or after WAIT_MS
 * with "queued": durable, and on their way as soon as a core is there. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/admin.pb-c.h"
#include "proto/admin_codec.h"
#include "proto/limits.h"
#include "proto/mqtt_properties.h"
#include "proto/topic.h"
#include "services/store/desks.h"
#include "services/store/session_life.h"

#define WAIT_MS     2500u
#define PENDING_MAX 10000u

struct admin_publish {
    struct admin_publish *next;
    struct call_request request;
    uint64_t seq;
    uint64_t until_ms;
};

static void
reply(struct store *store, struct call_request request, const char *state, const bool *is_matched)
{
    struct admin_writer writer;
    admin_writer_init(&writer);
    admin_text(&writer, "state", slice_cstr(state));
    if (is_matched != NULL)
        admin_flag(&writer, "matched", *is_matched);
    (void)admin_item_end(&writer);
    peers_reply(store->peers, request, OK, admin_bytes(&writer));
    admin_writer_fini(&writer);
}

/* Topics on which the broker alone speaks, and names of groups, which are no topics. */
static bool
is_reserved(struct slice topic)
{
    return slice_equal_cstr(topic, "$SYS") || slice_has_prefix(topic, slice_cstr("$SYS/")) ||
           slice_has_prefix(topic, slice_cstr("$share/"));
}

/* Properties in wire form are forwarded as they are: they must be what a client may send. */
static bool
properties_are_valid(struct slice wire)
{
    struct mqtt_properties properties;
    enum mqtt_reason reason;
    return wire.len == 0 ||
           (mqtt_properties_decode(MQTT_PUBLISH, false, wire, &reason, &properties) == OK &&
            mqtt_properties_is_forwardable(&properties));
}

enum err
on_admin_publish(struct store *store, struct call_request request, const Sluice__AdminAsk *ask)
{
    uint64_t expiry_s = admin_ask_number(ask, "expiry_s");
    struct publish_record record = {.qos = (uint8_t)admin_ask_number(ask, "qos"),
                                    .retain = admin_ask_flag(ask, "retain"),
                                    .topic = admin_ask_text(ask, "topic"),
                                    .properties = admin_ask_text(ask, "properties"),
                                    .payload = admin_ask_text(ask, "payload")};
    if (admin_ask_number(ask, "qos") > 2 || !topic_name_is_valid(record.topic) ||
        is_reserved(record.topic) || expiry_s > UINT32_MAX ||
        !properties_are_valid(record.properties))
        return ERR_INVALID;
    if (publish_record_size(&record) > store->config->max_record)
        return ERR_TOO_LARGE;
    if (!outbox_has_room(store->outbox) || store->publish_count >= PENDING_MAX)
        return ERR_BUSY;
    if (commit_state(store->commit) != OK || commit_room(store->commit) != OK)
        return commit_state(store->commit) != OK ? commit_state(store->commit) : ERR_BUSY;
    if (expiry_s != 0)
        record.expiry_ms = store_wall_ms(store) + expiry_s * 1000;
    uint64_t seq = session_life_publish(store, &record, 0, 0);
    if (seq == 0) {
        reply(store, request, "sent", NULL);
        return OK;
    }
    struct admin_publish *pending = mem_zalloc(sizeof(*pending));
    pending->request = request;
    pending->seq = seq;
    pending->until_ms = clock_monotonic_ms() + WAIT_MS;
    *store->publishes_tail = pending;
    store->publishes_tail = &pending->next;
    store->publish_count++;
    return OK;
}

/* Takes the one at *at out. */
static void
take_out(struct store *store, struct admin_publish **at)
{
    struct admin_publish *pending = *at;
    *at = pending->next;
    if (pending->next == NULL)
        store->publishes_tail = at;
    store->publish_count--;
    mem_free(pending);
}

void
on_admin_published(struct store *store, uint64_t seq, bool wanted)
{
    struct admin_publish **at = &store->publishes;
    while (*at != NULL && (*at)->seq != seq) /* answers come nearly in order */
        at = &(*at)->next;
    if (*at == NULL)
        return;
    reply(store, (*at)->request, "delivered", &wanted);
    take_out(store, at);
}

void
on_admin_publish_tick(struct store *store, uint64_t now_ms)
{
    while (store->publishes != NULL && store->publishes->until_ms <= now_ms) {
        reply(store, store->publishes->request, "queued", NULL);
        take_out(store, &store->publishes);
    }
}

void
on_admin_publish_free_all(struct store *store)
{
    while (store->publishes != NULL)
        take_out(store, &store->publishes);
}
