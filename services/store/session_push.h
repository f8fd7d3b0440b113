/* SPDX-License-Identifier: Apache-2.0 */
/* From a message to queues and from queues to gateways: appending with limits, and pushing what is
 * durable as far as windows and feeds allow. */
#ifndef SERVICES_STORE_SESSION_PUSH_H
#define SERVICES_STORE_SESSION_PUSH_H

#include "services/store/store.h"

/* Messages of this session were lost: counted, and said in the log now and then. record: of the
 * one, for traces; empty: not at hand. */
void session_push_dropped(struct store *store, const struct session *session, enum store_drop why,
                          uint64_t times, struct slice record);
/* Appends the record to the queues of hits (of the last subscriptions_match; session == NULL: skip)
 * and marks the push. qos is that of the publish; its retain flag is passed on to those who asked.
 */
void session_push_message(struct store *store, const struct publish_record *record,
                          struct slice bytes, struct subscription_hit *hits, size_t count);
/* One retained message for one session, by the options of its subscription. ERR_BUSY: QoS 0 and the
 * feed is full: try again later. */
ERR_MUST_USE enum err session_push_retained(struct store *store, struct session *session,
                                            const struct publish_record *record, struct slice bytes,
                                            uint8_t subscription_qos, uint32_t identifier);
/* FEED_SESSION_READY: pushes what is not acknowledged above `after` (0: all of it). */
void session_push_ready(struct store *store, struct session *session, uint64_t after);
/* Pushes what may be pushed now. */
void session_push_pump(struct store *store, struct session *session);
/* The gateway kept the connection and has everything up to seq, which is in memory
 * (session_read_resume): counts that as in flight, tells again what may have been lost on the way
 * (PUBREC recorded), and pushes what is later. */
void session_push_resumed(struct store *store, struct session *session, uint64_t seq);
/* The feed of a gateway has room again. */
void session_push_room(struct store *store, struct owner *owner);
/* Removes a message from a queue, in memory and in the batch. */
void session_push_remove(struct store *store, struct session *session,
                         struct session_queue_entry *entry, uint64_t seq);

#endif
