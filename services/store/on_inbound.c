/* SPDX-License-Identifier: Apache-2.0 */
/* QoS 2 publishes of persistent publishers: into the outbox with their packet id, PUBREC when a
 * core has answered, PUBCOMP when the packet id is durably free.
 *
 *   INBOUND_PUBLISH -> commit (outbox, packet id) -> core -> answered -> INBOUND_DONE
 *   INBOUND_RELEASE -> commit (packet id gone) -> INBOUND_RELEASED */
#include "proto/feed_records.h"
#include "proto/mqtt_packet.h"
#include "proto/records.h"
#include "services/store/desks.h"
#include "services/store/session_life.h"

#define INBOUND_MAX 65535u /* packet ids of one session */

static struct session *
session_of(struct store *store, const struct store_link *link, const struct records_inbound *record)
{
    struct session *session = sessions_by_number(store->sessions, record->session);
    if (session == NULL || session->epoch != record->epoch || session->lasting == NULL ||
        session->owner != &link->owner) {
        metric_counter_add(store->counters.stale, 1);
        return NULL;
    }
    return session;
}

static void
send_done(struct store *store, const struct session *session, const struct session_inbound *inbound)
{
    uint8_t body[RECORDS_INBOUND_DONE_BYTES];
    size_t len;
    if (session->owner == NULL)
        return;
    len = records_inbound_done_encode(session->conn, inbound->packet_id, inbound->reason, body);
    store_link_send(store, session->owner, FEED_INBOUND_DONE, slice_of(body, len));
}

void
on_inbound_publish(struct store *store, struct store_link *link, struct slice body)
{
    struct records_inbound inbound;
    struct publish_record record;
    struct session *session;
    struct session_inbound *known;
    if (records_inbound_publish_decode(body, &inbound) != OK ||
        publish_record_decode(inbound.record, &record) != OK || record.qos == 0) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session = session_of(store, link, &inbound);
    if (session == NULL)
        return;
    known = session_inbound_get(session, inbound.packet_id);
    if (known != NULL) {
        if (known->state == SESSION_INBOUND_DONE)
            send_done(store, session, known);
        return; /* else PUBREC follows when the first copy is answered */
    }
    if (session_inbound_add(session, inbound.packet_id) != OK)
        return;
    metric_counter_add(store->counters.inbound, 1);
    record.publisher = session->number;
    (void)session_life_publish(store, &record, session->number, inbound.packet_id);
}

void
on_inbound_answered(struct store *store, uint64_t seq, bool wanted)
{
    struct outbox_entry entry;
    struct session *session;
    struct session_inbound *inbound;
    if (!outbox_take(store->outbox, seq, &entry))
        return;
    batch_outbox_remove(commit_batch(store->commit), seq);
    if (entry.session == 0)
        on_admin_published(store, seq, wanted);
    session = entry.session != 0 ? sessions_by_number(store->sessions, entry.session) : NULL;
    inbound = session != NULL ? session_inbound_get(session, entry.packet_id) : NULL;
    if (inbound == NULL || inbound->state != SESSION_INBOUND_PENDING)
        return;
    inbound->state = SESSION_INBOUND_DONE;
    inbound->reason = wanted ? 0 : MQTT_NO_MATCHING_SUBSCRIBERS;
    send_done(store, session, inbound);
}

static void
released(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, a);
    uint8_t body[RECORDS_INBOUND_RELEASED_BYTES];
    size_t len;
    if (session == NULL || session->epoch != b || session->owner == NULL)
        return;
    len = records_inbound_released_encode(session->conn, (uint16_t)c, body);
    store_link_send(store, session->owner, FEED_INBOUND_RELEASED, slice_of(body, len));
}

void
on_inbound_release(struct store *store, struct store_link *link, struct slice body)
{
    struct records_inbound inbound;
    struct session *session;
    if (records_inbound_release_decode(body, &inbound) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session = session_of(store, link, &inbound);
    if (session == NULL)
        return;
    if (session_inbound_remove(session, inbound.packet_id))
        batch_inbound_delete(commit_batch(store->commit), session->number, inbound.packet_id);
    commit_mark(store->commit, released, store, session->number, session->epoch, inbound.packet_id);
}
