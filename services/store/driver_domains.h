/* SPDX-License-Identifier: Apache-2.0 */
/* A driver made of up to three: people, retained messages and sessions may lie in different places.
 * It splits batches and passes reads on; it keeps nothing itself.
 *
 * A batch goes to the driver of people first, then of retained messages, then of sessions, to each
 * what is its, with the batch's id. So it is not one transaction over all: after a crash between
 * two, what came first is there and what comes last is not. That loses nothing, because whatever a
 * batch answers for (token sets, outbox, packet ids) is in the sessions' part: what was not
 * answered is sent again, and people's and retained changes may be repeated. A batch that is
 * applied again after an error is skipped by those that had it. */
#ifndef SERVICES_STORE_DRIVER_DOMAINS_H
#define SERVICES_STORE_DRIVER_DOMAINS_H

#include "services/store/driver.h"

/* In the order in which batches are applied. */
enum driver_domain { DRIVER_PEOPLE, DRIVER_RETAINED, DRIVER_SESSIONS, DRIVER_DOMAIN_COUNT };

/* For people: "people", "retained", "sessions". */
const char *driver_domains_name(enum driver_domain domain);
/* Whether the driver has what the domain needs. */
bool driver_domains_can(const struct driver *driver, enum driver_domain domain);
/* New. Takes the drivers; one may serve several domains. If one serves all, it is returned itself.
 */
struct driver *driver_domains_new(struct driver *const parts[DRIVER_DOMAIN_COUNT]);

#endif
