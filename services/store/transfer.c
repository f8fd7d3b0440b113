/* SPDX-License-Identifier: Apache-2.0 */
/* --export and --import as commands; see transfer.h. */
#include "services/store/transfer.h"

#include "common/log.h"
#include "services/store/driver_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FAILED      1
#define NOT_CHANGED 2

static bool
is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

static void
failed(const char *event, const char *path, enum err err, const char *why)
{
    log_error(event, LOG_STR("file", path), LOG_ERR(err), LOG_STR("reason", why), LOG_END);
}

static int
run_export(struct driver *driver, const char *path)
{
    char why[DRIVER_REASON_SIZE] = "";
    uint64_t count = 0;
    struct driver_totals totals = {0};
    FILE *file = stdout;
    enum err err;
    if (!is_dash(path)) {
        /* there are hashes of passwords in it */
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        file = fd >= 0 ? fdopen(fd, "w") : NULL;
    }
    if (file == NULL) {
        failed("export_failed", path, ERR_IO, strerror(errno));
        return NOT_CHANGED;
    }
    err = transfer_export(driver, file, &count, why);
    if (err == OK && driver_totals(driver, &totals) == OK)
        log_info("exported", LOG_STR("file", path), LOG_U64("rows", count),
                 LOG_U64("retained", totals.retained_count), LOG_END);
    if (err == OK && fsync(fileno(file)) != 0 && errno != EINVAL && errno != EROFS) {
        err = ERR_IO;
        (void)str_format(why, sizeof(why), "%s", strerror(errno));
    }
    if (file != stdout && fclose(file) != 0 && err == OK)
        err = ERR_IO;
    if (err != OK)
        failed("export_failed", path, err, why);
    return err == OK ? 0 : FAILED;
}

/* Takes the file. What cannot be read twice (a pipe) is copied aside first. NULL: errno says why.
 */
static FILE *
twice_readable(FILE *from)
{
    static char bytes[65536];
    FILE *to;
    size_t got;
    if (from == NULL || fseek(from, 0, SEEK_SET) == 0)
        return from;
    to = tmpfile();
    while (to != NULL && (got = fread(bytes, 1, sizeof(bytes), from)) != 0) {
        if (fwrite(bytes, 1, got, to) != got) {
            (void)fclose(to);
            to = NULL;
        }
    }
    (void)fclose(from);
    return to;
}

static void
say_line(void *arg, uint64_t line, const char *why)
{
    log_error("line_wrong", LOG_STR("file", (const char *)arg), LOG_U64("line", line),
              LOG_STR("reason", why), LOG_END);
}

static int
run_import(struct driver *driver, const struct store_config *config)
{
    const char *path = config->import_file;
    struct transfer_report report = {.on_wrong = say_line,
                                     .arg = (void *)(uintptr_t)path,
                                     .mark = {config->shard_number, (uint32_t)config->shards}};
    FILE *file = twice_readable(is_dash(path) ? stdin : fopen(path, "re"));
    enum err err;
    if (file == NULL) {
        failed("import_failed", path, ERR_IO, strerror(errno));
        return NOT_CHANGED;
    }
    err = transfer_import(driver, file, &report);
    (void)fclose(file);
    if (err == OK) {
        log_info("imported", LOG_STR("file", path), LOG_U64("rows", report.count), LOG_END);
        return 0;
    }
    failed("import_failed", path, err, report.why);
    return report.count == 0 && (err == ERR_INVALID || err == ERR_EXISTS) ? NOT_CHANGED : FAILED;
}

/* Opens the data of the settings' shard; a store that runs on them in a shared database ends, and
 * no spare takes them from us: nobody has a lease of them. */
static enum err
open_data(const struct store_config *config, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    const struct driver_claim claim = {
        .number = config->shard_number, .holder = "export or import", .is_forced = true};
    enum err err = driver_open(config, why, out);
    if (err != OK)
        return err;
    err = driver_claim(*out, &claim);
    if (err == OK)
        return OK;
    (void)str_format(why, DRIVER_REASON_SIZE, "%s", driver_reason(*out));
    driver_close(*out);
    return err;
}

int
transfer_run(const struct store_config *config)
{
    char why[DRIVER_REASON_SIZE] = "";
    struct driver *driver = NULL;
    enum err err = open_data(config, why, &driver);
    int status;
    if (err != OK) {
        log_error("data_not_usable", LOG_STR("dir", config->data_dir), LOG_ERR(err),
                  LOG_STR("reason", (const char *)why), LOG_END);
        return NOT_CHANGED;
    }
    status = config->export_file[0] != '\0' ? run_export(driver, config->export_file)
                                            : run_import(driver, config);
    driver_close(driver);
    return status;
}
