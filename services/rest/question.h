/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of operators (proto/admin.proto) to stores, cores and, through a core, gateways: made
 * value by value, answers read by name. Decides nothing. */
#ifndef SLUICE_SERVICES_REST_QUESTION_H
#define SLUICE_SERVICES_REST_QUESTION_H

#include "proto/admin.pb-c.h"
#include "services/rest/upstream.h"

#include <jansson.h>

#define QUESTION_VALUES_MAX 12

/* Texts are borrowed until it has been asked. */
struct question {
    uint16_t method;
    Sluice__AdminAsk message;
    Sluice__AdminValue values[QUESTION_VALUES_MAX];
    Sluice__AdminValue *pointers[QUESTION_VALUES_MAX];
    uint32_t deadline_ms; /* 0: the setting */
};

void question_init(struct question *question, uint16_t method);
/* NULL texts are left out. */
void question_text(struct question *question, const char *name, const char *text);
void question_data(struct question *question, const char *name, struct slice bytes);
void question_number(struct question *question, const char *name, uint64_t number);
void question_flag(struct question *question, const char *name, bool flag);
/* Where a list goes on, and how many are wanted. */
void question_page(struct question *question, struct slice after, uint32_t limit);

/* *out is new (question_free). */
ERR_MUST_USE enum err question_ask(struct upstream *upstream, enum upstream_kind kind, size_t index,
                                   const struct question *question, Sluice__AdminAnswer **out);
/* Through whichever core is there. ERR_NOT_FOUND: no gateway of this name; ERR_UNAVAILABLE: no
 * core, or the gateway does not answer. */
ERR_MUST_USE enum err question_ask_gateway(struct upstream *upstream, const char *gateway,
                                           const struct question *question,
                                           Sluice__AdminAnswer **out);
/* The first core that answers. */
ERR_MUST_USE enum err question_ask_core(struct upstream *upstream, const struct question *question,
                                        Sluice__AdminAnswer **out);
void question_free(Sluice__AdminAnswer *answer);

/* The names of the gateways that are up, sorted: new array of new texts (api_json_free_texts). */
ERR_MUST_USE enum err question_gateways(struct upstream *upstream, char ***names, size_t *count);

/* ---- answers: values by name; empty, 0, false when not told */

struct slice question_item_text(const Sluice__AdminItem *item, const char *name);
uint64_t question_item_number(const Sluice__AdminItem *item, const char *name);
bool question_item_flag(const Sluice__AdminItem *item, const char *name);
bool question_item_has(const Sluice__AdminItem *item, const char *name);
/* New JSON: a text (null when empty, if so wanted), a number (null when not told), a time of *_ms
 * (null for 0). */
json_t *question_json_text(const Sluice__AdminItem *item, const char *name, bool null_if_empty);
json_t *question_json_number(const Sluice__AdminItem *item, const char *name);
json_t *question_json_time(const Sluice__AdminItem *item, const char *name);

#endif
