/* SPDX-License-Identifier: Apache-2.0 */
/* The hall of sluice-rest: builds the parts, runs the loop, takes them down in reverse. */
#ifndef SLUICE_SERVICES_REST_REST_H
#define SLUICE_SERVICES_REST_REST_H

#include "services/rest/rest_config.h"

/* Serves until SIGTERM or SIGINT; the exit status. conf is what config came from. */
int rest_run(const struct rest_config *config, const struct conf *conf);

#endif
