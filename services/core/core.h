/* SPDX-License-Identifier: Apache-2.0 */
/* The hall of sluice-core: builds loop, link, probes and metrics, runs them, takes them down. */
#ifndef SLUICE_CORE_CORE_H
#define SLUICE_CORE_CORE_H

#include "common/err.h"
#include "services/core/core_config.h"

struct core;

/* *out is new; config is borrowed. Errors of the sockets are logged here. */
ERR_MUST_USE enum err core_new(const struct core_config *config, struct core **out);
/* Until SIGTERM or SIGINT, and until what was taken is finished or retire_ms passed. */
void core_run(struct core *core);
void core_free(struct core *core);

#endif
