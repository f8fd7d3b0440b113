/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask a gateway, brought by a core (FEED_ASK): what the hub knows it answers itself,
 * what connections know it asks the workers, one after the other. At most HUB_ADMIN_MAX questions
 * are on their way. Also whether the gateway is being emptied. */
#ifndef SLUICE_SERVICES_GATEWAY_HUB_ADMIN_H
#define SLUICE_SERVICES_GATEWAY_HUB_ADMIN_H

#include "common/str.h"
#include "services/gateway/admin_job.h"

#include <stdbool.h>

#define HUB_ADMIN_MAX 256u

struct hub;
struct hub_admin;

struct hub_admin *hub_admin_new(struct hub *hub);
void hub_admin_free(struct hub_admin *admin);
/* FEED_ASK of this core. ERR_MALFORMED. */
ERR_MUST_USE enum err hub_admin_record(struct hub_admin *admin, uint32_t core, struct slice body);
/* POST_ADMIN_DONE; takes the job. */
void hub_admin_done(struct hub_admin *admin, struct admin_job *job);
/* POST_TRACE_EVENT; takes the event. */
struct trace_event;
void hub_admin_traced(struct hub_admin *admin, uint64_t number, struct trace_event *event);
/* Often: traces that nobody asks for end. */
void hub_admin_tick(struct hub_admin *admin, uint64_t now_ms);
/* Clients are sent away and nobody new is welcome. */
bool hub_admin_is_emptying(const struct hub_admin *admin);

#endif
