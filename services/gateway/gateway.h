/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hall of sluice-gateway: builds the hub, the workers with their listeners, and the probes;
 * runs until it is told to stop; takes them down in reverse. It speaks to nobody itself.
 */
#ifndef SLUICE_SERVICES_GATEWAY_GATEWAY_H
#define SLUICE_SERVICES_GATEWAY_GATEWAY_H

#include "common/err.h"
#include "services/gateway/gateway_config.h"

struct gateway;

/* *out is new and ready to run: ports are bound. Any error has been logged with what could not be
 * had. config is borrowed until gateway_free. */
ERR_MUST_USE enum err gateway_new(const struct gateway_config *config, struct gateway **out);
/* Until SIGTERM or SIGINT has been answered: not ready, clients sent away, all ended. Returns the
 * exit status: 0, or that it went because it reaches nobody any more (PEERS_STUCK_STATUS). */
int gateway_run(struct gateway *gateway);
void gateway_free(struct gateway *gateway);

#endif
