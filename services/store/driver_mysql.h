/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL driver: see driver.h for what it does. One database on a MariaDB or MySQL server;
 * several stores may use it, each with its own shard. Tables: services/store/mysql.md.
 *
 * Changes go through one connection, reads through a few others, all to the same server. Calls
 * block for at most one attempt to connect to each host and one timeout of the settings. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_H
#define SERVICES_STORE_DRIVER_MYSQL_H

#include "services/store/driver.h"
#include "services/store/driver_mysql_config.h"

/* New, close with driver_close. The settings' texts are borrowed. Waits for a server up to
 * start_timeout_ms. Makes or changes the tables as this program needs them, and takes the shard:
 * another driver that had it gets ERR_STALE from driver_apply from then on. So a program opens it
 * once, for all domains it keeps there. On error why says what to do about it, for people:
 *   ERR_VERSION  the tables were made by a newer program
 *   ERR_DENIED   user, password or rights
 *   ERR_IO       no server could be reached, or none that can be used as it is */
ERR_MUST_USE enum err driver_mysql_open(const struct driver_mysql_config *config,
                                        char why[DRIVER_REASON_SIZE], struct driver **out);

#endif
