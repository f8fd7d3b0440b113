/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the plain bodies of posts (post_body.h) and the Protocol Buffers of calls.proto: what the
 * hub asks a store and what the store answers. Answers are checked like everything from outside. It
 * sends nothing and decides nothing.
 */
#ifndef SLUICE_SERVICES_GATEWAY_STORE_CODEC_H
#define SLUICE_SERVICES_GATEWAY_STORE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"
#include "services/gateway/post_body.h"

/* Questions; each result is new (mem_free), *len its length. */
uint8_t *store_codec_open(const struct session_open_request *request, size_t *len);
uint8_t *store_codec_subscribe(const struct subscribe_request *request, size_t *len);
uint8_t *store_codec_unsubscribe(const struct subscribe_request *request, size_t *len);
uint8_t *store_codec_retained(const struct retained_request *request, size_t *len);
uint8_t *store_codec_announce(const struct session_announcement *announcement, size_t *len);

/* Answers; *out is new. ERR_MALFORMED: not such a message, or a value in it that must not be. */
ERR_MUST_USE enum err store_codec_opened(struct slice bytes, struct session_opened **out);
ERR_MUST_USE enum err store_codec_subscribed(struct slice bytes, struct subscribe_answer **out);
ERR_MUST_USE enum err store_codec_unsubscribed(struct slice bytes, struct subscribe_answer **out);
/* Records that are not valid publish records are left out. */
ERR_MUST_USE enum err store_codec_retained_got(struct slice bytes, struct retained_answer **out);

/* A refusal made here: reason is an MQTT 5.0 reason code. New. */
struct session_opened *store_codec_refused(uint8_t reason);

/* CALL_AUTH. *out is new. */
uint8_t *store_codec_auth(const struct auth_request *request, size_t *len);
ERR_MUST_USE enum err store_codec_authed(struct slice bytes, struct auth_answer **out);

#endif
