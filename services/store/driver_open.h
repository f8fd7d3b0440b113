/* SPDX-License-Identifier: Apache-2.0 */
/* Which driver keeps which domain: opens what the settings `driver`, `driver-people`,
 * `driver-retained` and `driver-sessions` name. Knows no rules and no tables. */
#ifndef SERVICES_STORE_DRIVER_OPEN_H
#define SERVICES_STORE_DRIVER_OPEN_H

#include "services/store/driver_domains.h"
#include "services/store/store_config.h"

/* Names of all drivers, for --help and mistakes: "embedded, mysql, redis". */
#define DRIVER_OPEN_NAMES "embedded, mysql, redis"
bool driver_open_is_name(const char *name);
/* The driver that the settings want for a domain. */
const char *driver_open_choice(const struct store_config *config, enum driver_domain domain);

/* Whether any domain lies in a database that may be away for a while, and whose driver does not
 * wait for it by itself. */
bool driver_open_may_retry(const struct store_config *config);

/* Whether several stores can have the domain at one time, in a database that they share. */
bool driver_open_is_shared(const struct store_config *config, enum driver_domain domain);

/* New, without a shard (driver_claim); close with driver_close. Blocks for disk or network. On
 * error why says what to do about it, for people; errors of driver_<name>_open, and
 * ERR_UNSUPPORTED: a driver cannot do what is asked of it. Any thread. */
ERR_MUST_USE enum err driver_open(const struct store_config *config, char why[DRIVER_REASON_SIZE],
                                  struct driver **out);

#endif
