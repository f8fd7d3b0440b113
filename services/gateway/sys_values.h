/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last value of each $SYS topic, as a core told it: what a new subscriber of such topics gets
 * at once, as if it were retained. Pure; one thread owns it. Bounded in topics: what is beyond is
 * delivered and not kept.
 */
#ifndef SERVICES_GATEWAY_SYS_VALUES_H
#define SERVICES_GATEWAY_SYS_VALUES_H

#include "common/str.h"
#include "services/gateway/message.h"

#include <stdbool.h>
#include <stddef.h>

#define SYS_VALUES_MAX 256u

struct sys_values;

struct sys_values *sys_values_new(void);
void sys_values_free(struct sys_values *values);

/* Whether a topic or filter is one of $SYS. No other filter matches $SYS topics [MQTT-4.7.2-1]. */
bool sys_values_is_topic(struct slice topic);
/* Whether no client may publish there: only the broker speaks in $SYS, and "$share/..." is the name
 * of a group, not a topic. */
bool sys_values_is_reserved(struct slice topic);

/* Replaces the value of its topic; takes a reference of its own. */
void sys_values_put(struct sys_values *values, struct message *message);
/* New references of those that match, at most SYS_VALUES_MAX, into out; returns how many. */
size_t sys_values_match(const struct sys_values *values, struct slice filter,
                        struct message *out[SYS_VALUES_MAX]);

#endif
