/* SPDX-License-Identifier: Apache-2.0 */
/* Probes and metrics of sluice-store. */
#ifndef SERVICES_STORE_STORE_HTTP_H
#define SERVICES_STORE_STORE_HTTP_H

#include "services/store/store.h"

/* Opens the port unless it is turned off. ERR_IO, logged. */
ERR_MUST_USE enum err store_http_open(struct store *store);
void store_http_close(struct store *store);

#endif
