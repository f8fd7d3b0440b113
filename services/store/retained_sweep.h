/* SPDX-License-Identifier: Apache-2.0 */
/* The end of retained messages that have expired: a few at a time, found by the reading threads. A
 * message that was put meanwhile on a topic that was found stays. */
#ifndef SERVICES_STORE_RETAINED_SWEEP_H
#define SERVICES_STORE_RETAINED_SWEEP_H

#include "services/store/store.h"

/* Begins one, unless one is under way; goes on as long as there is more. */
void retained_sweep_start(struct store *store);
/* A retained message is put: it is newer than what a sweep under way may find on the topic. */
void retained_sweep_keep(struct store *store, struct slice topic);
/* After the reads have ended. */
void retained_sweep_free(struct store *store);

#endif
