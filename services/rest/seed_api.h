/* SPDX-License-Identifier: Apache-2.0 */
/* The API of the replaced server, below /rest: which desk (on_user.h) serves which path, its key,
 * its media types and its error bodies. New things are not here but below /api/v1 (api.h). */
#ifndef SLUICE_SERVICES_REST_SEED_API_H
#define SLUICE_SERVICES_REST_SEED_API_H

#include "services/rest/caller.h"
#include "services/rest/exchange.h"
#include "services/rest/on_user.h"

#define SEED_API_BODY_MAX 65536u

struct seed_api {
    const struct on_user *desk;
    const struct caller_keys *keys;
};

void seed_api_serve(const struct seed_api *api, struct exchange *exchange);
/* Answers {"code":status,"message":message}. */
void seed_api_refuse(struct exchange *exchange, int status, const char *message);

#endif
