/* SPDX-License-Identifier: Apache-2.0 */
/* --import: a file of lines, read twice. The first reading finds everything that is wrong; only if
 * nothing is, the second one writes, in batches. A mark stands in the driver from the first batch
 * to the last, so that no store starts on half of it. */
#include "services/store/transfer.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/mem.h"
#include "services/store/transfer_divide.h"
#include "services/store/transfer_line.h"
#include "services/store/transfer_users.h"

#include <errno.h>
#include <string.h>

#define READ_SIZE   ((size_t)1024 * 1024)
#define LINE_BYTES  ((size_t)512 * 1024 * 1024)
#define BATCH_BYTES ((size_t)4 * 1024 * 1024)
#define WRONG_MAX   1000u /* said; further ones are counted */

struct import {
    struct driver *driver;
    struct transfer_report *report;
    struct transfer_divide *divide; /* NULL: all of it is taken as it is */
    struct batch batch;
    struct buf bytes; /* of the line being read */
    bool is_writing;
    bool has_sessions;
    bool marked;
    enum err err; /* of the driver: nothing further is written */
};

static void
say_wrong(struct import *im, uint64_t number, const char *why)
{
    struct transfer_report *report = im->report;
    if (report->wrong++ < WRONG_MAX && report->on_wrong != NULL)
        report->on_wrong(report->arg, number, why);
}

/* ---- writing ---- */

static void
apply(struct import *im)
{
    if (im->err == OK && !batch_is_empty(&im->batch))
        im->err = driver_apply(im->driver, &im->batch);
    if (im->err != OK && im->report->why[0] == '\0')
        (void)str_format(im->report->why, sizeof(im->report->why), "the database: %s (%s)",
                         err_text(im->err), driver_reason(im->driver));
    batch_reset(&im->batch, BATCH_BYTES * 2);
}

static void
mark(struct import *im, const char *text)
{
    batch_meta_put(&im->batch, TRANSFER_META_IMPORT, slice_cstr(text));
    apply(im);
}

static void
written(struct import *im)
{
    im->report->count++;
    if (batch_bytes(&im->batch) >= BATCH_BYTES)
        apply(im);
}

static void
write_user(struct import *im, const struct transfer_user *user)
{
    char hash[CRYPT_PASSWORD_TEXT_MAX];
    struct driver_user row = {.name = user->name, .roles = user->roles};
    enum err err = crypt_password_hash_md5(user->md5, CRYPT_COST_DEFAULT, hash);
    if (err != OK) {
        im->err = err;
        return;
    }
    row.password = slice_cstr(hash);
    row.changed_ms = clock_wall_ms();
    batch_user_put(&im->batch, &row);
    written(im);
}

/* ---- lines ---- */

static void
take_user(struct import *im, uint64_t number, struct slice text)
{
    struct transfer_user user;
    char why[TRANSFER_USERS_WHY] = "";
    enum err err = transfer_users_read(text, &user, &im->bytes, why);
    if (err == ERR_INVALID)
        say_wrong(im, number, why);
    else if (err == OK && im->is_writing &&
             (im->divide == NULL || transfer_divide_has_people(im->divide)))
        write_user(im, &user);
}

static void
take_row(struct import *im, uint64_t number, struct slice text)
{
    struct transfer_line line;
    char why[TRANSFER_WHY_SIZE] = "";
    if (transfer_line_read(text, &line, &im->bytes, why) != OK) {
        say_wrong(im, number, why);
        return;
    }
    im->has_sessions |= transfer_line_is_session(line.type);
    if (!im->is_writing && im->divide != NULL)
        transfer_divide_learn(im->divide, &line);
    if (im->is_writing && (im->divide == NULL || transfer_divide_take(im->divide, &line))) {
        transfer_line_put(&line, &im->batch);
        written(im);
    }
}

/* The first line of an export says what it is. */
static void
take_heading(struct import *im, uint64_t number, struct slice text)
{
    if (!slice_equal_cstr(text, "{\"type\":\"sluice\",\"version\":1}"))
        say_wrong(im, number, "an export of another version");
    if (im->divide != NULL)
        transfer_divide_part(im->divide);
}

static void
take_line(struct import *im, uint64_t number, struct slice text)
{
    if (slice_has_prefix(text, slice_cstr("{\"type\":\"sluice\"")))
        take_heading(im, number, text);
    else if (slice_has_prefix(text, slice_cstr("{\"type\":")))
        take_row(im, number, text);
    else
        take_user(im, number, text);
}

/* Reads the file from its start to its end. */
static enum err
read_lines(struct import *im, FILE *file)
{
    struct buf in;
    uint64_t number = 0;
    bool ended = false;
    enum err err = OK;
    rewind(file);
    buf_init(&in, LINE_BYTES);
    while (err == OK && im->err == OK && (!ended || buf_len(&in) != 0)) {
        struct slice all = buf_slice(&in);
        size_t len = slice_find(all, '\n');
        if (len == all.len && !ended) {
            uint8_t *to = buf_reserve(&in, READ_SIZE);
            size_t got = to != NULL ? fread(to, 1, READ_SIZE, file) : 0;
            if (to == NULL || ferror(file) != 0)
                err = to == NULL ? ERR_TOO_LARGE : ERR_IO;
            buf_commit(&in, got);
            ended = got == 0;
            continue;
        }
        number++;
        take_line(im, number, slice_trim(slice_sub(all, 0, len)));
        buf_consume(&in, len < all.len ? len + 1 : len);
    }
    if (err == ERR_IO)
        (void)str_format(im->report->why, sizeof(im->report->why), "the file: %s", strerror(errno));
    else if (err != OK)
        (void)str_format(im->report->why, sizeof(im->report->why), "line %llu is too long",
                         (unsigned long long)number + 1);
    buf_fini(&in);
    return err;
}

/* ---- what is there ---- */

static void
note_session(void *arg, const struct driver_session *session)
{
    bool *found = arg;
    (void)session;
    *found = true;
}

struct target {
    bool interrupted;
    struct shard_mark mark;
    enum err err;
};

static void
note_meta(void *arg, const char *name, struct slice value)
{
    struct target *target = arg;
    if (strcmp(name, TRANSFER_META_IMPORT) == 0)
        target->interrupted = value.len != 0;
    else if (strcmp(name, SHARD_MARK_META) == 0)
        target->err = shard_mark_read(value, &target->mark);
}

/* Sessions of two stores cannot be mixed: their numbers may be the same. */
static enum err
check_target(struct import *im)
{
    static const struct driver_visitor sessions = {.session = note_session};
    static const struct driver_visitor meta = {.meta = note_meta};
    const struct shard_mark *wanted = &im->report->mark;
    struct target target = {0};
    bool found = false;
    enum err err = im->has_sessions ? driver_load(im->driver, &sessions, &found) : OK;
    if (err == OK)
        err = driver_load(im->driver, &meta, &target);
    if (err == OK)
        err = target.err;
    if (err != OK) {
        (void)str_format(im->report->why, sizeof(im->report->why), "the database: %s",
                         err_text(err));
        return err;
    }
    if (wanted->count != 0 && target.mark.count != 0 &&
        (target.mark.count != wanted->count || target.mark.number != wanted->number)) {
        (void)str_format(im->report->why, sizeof(im->report->why),
                         "it is shard %u of %u already, and not %u of %u",
                         (unsigned)target.mark.number, (unsigned)target.mark.count,
                         (unsigned)wanted->number, (unsigned)wanted->count);
        return ERR_EXISTS;
    }
    if (!found || target.interrupted)
        return OK;
    (void)str_format(im->report->why, sizeof(im->report->why),
                     "there are sessions in it already: import into empty data");
    return ERR_EXISTS;
}

enum err
transfer_import(struct driver *driver, FILE *file, struct transfer_report *report)
{
    struct import im = {.driver = driver, .report = report};
    enum err err;
    if (report->mark.count != 0)
        im.divide = transfer_divide_new(&report->mark);
    batch_init(&im.batch);
    buf_init(&im.bytes, LINE_BYTES);
    report->count = 0;
    report->wrong = 0;
    report->why[0] = '\0';
    err = read_lines(&im, file);
    if (err == OK && report->wrong != 0) {
        (void)str_format(report->why, sizeof(report->why), "%llu lines are wrong",
                         (unsigned long long)report->wrong);
        err = ERR_INVALID;
    }
    if (err == OK && im.divide != NULL)
        err = transfer_divide_settle(im.divide, report->why);
    if (err == OK)
        err = check_target(&im);
    if (err == OK) {
        im.is_writing = true;
        mark(&im, "under way");
        if (im.err == OK)
            err = read_lines(&im, file);
        if (err == OK && im.err == OK) {
            apply(&im);
            if (report->mark.count != 0)
                shard_mark_put(&report->mark, &im.batch);
            mark(&im, "");
        }
        if (err == OK)
            err = im.err;
    }
    transfer_divide_free(im.divide);
    batch_fini(&im.batch);
    buf_fini(&im.bytes);
    return err;
}
