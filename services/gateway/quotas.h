/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all workers of a gateway share because it is limited for all of them together: connections
 * of the gateway, of a listener and of an address, and how fast a listener's clients are read.
 * Atomic numbers and no lock. It refuses nobody: connection_limits.c does.
 */
#ifndef SERVICES_GATEWAY_QUOTAS_H
#define SERVICES_GATEWAY_QUOTAS_H

#include "common/address.h"
#include "services/gateway/listener.h"
#include "services/gateway/throttle.h"

#include <stdbool.h>
#include <stdint.h>

struct quotas;

/* New. connections: of the gateway; of_address: of one address, 0: any. */
struct quotas *quotas_new(uint64_t connections, uint64_t of_address,
                          const struct listener_options listeners[LISTENER_KINDS]);
void quotas_free(struct quotas *quotas);

enum quotas_result { QUOTAS_OK, QUOTAS_GATEWAY_FULL, QUOTAS_LISTENER_FULL };
/* One connection more; OK: until quotas_leave. */
enum quotas_result quotas_enter(struct quotas *quotas, enum listener_kind listener);
void quotas_leave(struct quotas *quotas, enum listener_kind listener);

/* One more of this address: whether it may have so many. *place is for quotas_leave_address,
 * whatever comes back. */
bool quotas_enter_address(struct quotas *quotas, const struct address *address, uint32_t *place);
void quotas_leave_address(struct quotas *quotas, uint32_t place);

/* Borrowed; NULL: no limit. */
struct throttle *quotas_messages(struct quotas *quotas, enum listener_kind listener);
struct throttle *quotas_bytes(struct quotas *quotas, enum listener_kind listener);

#endif
