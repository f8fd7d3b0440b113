/* SPDX-License-Identifier: Apache-2.0 */
/* The front desk: every request comes here first. Headers that every answer carries, pages of other
 * origins (CORS), how often one address may ask, and who serves the path: /rest, /api/v1 or the
 * files of the console. */
#ifndef SLUICE_SERVICES_REST_FRONT_H
#define SLUICE_SERVICES_REST_FRONT_H

#include "common/metrics.h"
#include "services/rest/exchange.h"
#include "services/rest/rate.h"
#include "services/rest/rest_config.h"

struct api;
struct seed_api;

struct front {
    const struct rest_config *config;
    struct metrics *metrics;
    const struct seed_api *seed;
    struct api *api;
    struct rate *addresses; /* requests of one address */
    const char *web_dir;    /* NULL: none */
};

/* An http_api_fn; arg is a struct front. */
void front_serve(void *arg, struct exchange *exchange);

#endif
