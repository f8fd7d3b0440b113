/* SPDX-License-Identifier: Apache-2.0 */
/* --export and --import: the whole state, or users of another broker, as lines of JSON
 * (transfer.md). They open the driver as a store does, so no store may run on the same data. */
#ifndef SERVICES_STORE_TRANSFER_H
#define SERVICES_STORE_TRANSFER_H

#include "services/store/driver.h"
#include "services/store/shard_mark.h"
#include "services/store/store_config.h"

#include <stdio.h>

/* Does what the settings ask for and says how it went in the log. Returns the status to exit with:
 * 0; 1: it failed on the way (an import that was interrupted so must be repeated: until then no
 * store starts on it); 2: nothing was changed. */
int transfer_run(const struct store_config *config);

/* Name of the meta row that stands while an import is under way; its value is empty afterwards. */
#define TRANSFER_META_IMPORT "import"

/* The parts. Rows are counted. Errors of the driver and ERR_IO: the file; why says more. */
ERR_MUST_USE enum err transfer_export(struct driver *driver, FILE *file, uint64_t *count,
                                      char why[DRIVER_REASON_SIZE]);
struct transfer_report {
    uint64_t count; /* rows imported */
    uint64_t wrong; /* lines; each was said through on_wrong */
    void (*on_wrong)(void *arg, uint64_t line, const char *why);
    void *arg;
    struct shard_mark mark;       /* of the data: what of the file is theirs (transfer_divide.h);
                                     count 0: all */
    char why[DRIVER_REASON_SIZE]; /* of an error */
};
/* Reads everything twice: first to find what is wrong, then to write. ERR_INVALID: something is;
 * ERR_EXISTS: the file has sessions and so has the driver, or the data are another shard. Nothing
 * was changed then. */
ERR_MUST_USE enum err transfer_import(struct driver *driver, FILE *file,
                                      struct transfer_report *report);

#endif
