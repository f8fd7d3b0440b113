/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's part in $SYS: it tells every core what it has counted, and keeps and delivers the
 * totals of the cluster that one core sends back; by those it sends clients elsewhere (balance.h).
 * What is summed, and in which words it is told, is the core's.
 */
#ifndef SERVICES_GATEWAY_HUB_SYS_H
#define SERVICES_GATEWAY_HUB_SYS_H

#include "common/str.h"
#include "services/gateway/post.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct hub_sys;

struct hub_sys *hub_sys_new(struct hub *hub);
void hub_sys_free(struct hub_sys *sys);

/* Every tick: reports once a second, balances. */
void hub_sys_tick(struct hub_sys *sys, uint64_t now_ms);
/* FEED_SYS of a core. */
void hub_sys_record(struct hub_sys *sys, struct slice body);
/* FEED_LOAD of a core. */
void hub_sys_load(struct hub_sys *sys, struct slice body);
/* POST_RETAINED_GET: true: it asked for $SYS and is answered; the body stays the caller's. */
bool hub_sys_answer(struct hub_sys *sys, const struct post *post);

#endif
