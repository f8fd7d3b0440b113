/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded driver when the disk is full and when the store is killed while it writes. */
#include "common/cursor.h"
#include "tests/unit/store/driver_lmdb_kit.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- full ---- */

/* Fills until it is full; then nothing half may be there, removing must work, and what was refused
 * must go in. Returns the error that said full. make_room may be NULL: removal makes room alone. */
static enum err
fill_and_recover(struct driver *driver, void (*make_room)(void))
{
    static uint8_t block[100000];
    struct slice record = slice_of(block, sizeof(block));
    struct batch batch;
    struct buf before, after;
    uint64_t seq = 1, full_at;
    enum err full;
    batch_init(&batch);
    buf_init(&before, 10000000);
    buf_init(&after, 10000000);
    for (;;) {
        batch_reset(&batch, 1 << 20);
        batch_message(&batch, &record, 1);
        batch_queue_append(&batch, 1, seq, 1, NULL, 0);
        batch_message(&batch, &record, 1);
        batch_queue_append(&batch, 1, seq + 1, 1, NULL, 0);
        full = driver_apply(driver, &batch);
        if (full != OK)
            break;
        seq += 2;
        if (seq > 2000)
            break;
    }
    full_at = seq;
    CU_ASSERT(full_at > 10);
    CU_ASSERT(strlen(driver_reason(driver)) > 0);
    driver_contract_dump(driver, &before);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), full);
    driver_contract_dump(driver, &after);
    CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
    if (make_room != NULL) {
        make_room();
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    } else {
        struct batch removal;
        batch_init(&removal);
        for (seq = 1; seq <= 4; seq++)
            batch_queue_remove(&removal, 1, seq);
        driver_contract_apply(driver, &removal);
        batch_queue_remove(&removal, 1, 5); /* pages freed by a batch serve the next but one */
        driver_contract_apply(driver, &removal);
        batch_fini(&removal);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    }
    buf_fini(&before);
    buf_fini(&after);
    batch_fini(&batch);
    return full;
}

static void
data_at_its_configured_size_is_full_and_recovers_by_removal(void)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    wipe(data_dir);
    CU_ASSERT_EQUAL_FATAL(try_open(4 << 20, why, &driver), OK);
    CU_ASSERT_EQUAL(fill_and_recover(driver, NULL), ERR_NO_SPACE);
    driver_close(driver);
}

/* In a child: the limit cannot be taken back otherwise. */
static void
raise_file_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void
a_file_that_may_not_grow_is_no_space_and_recovers(void)
{
    struct rlimit before, limit;
    struct driver *driver;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    driver = open_driver(true);
    limit = before;
    limit.rlim_cur = (5 << 20) + 1000;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT_EQUAL(fill_and_recover(driver, raise_file_limit), ERR_NO_SPACE);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    driver_close(driver);
}

static char ballast_file[128];

static void
remove_ballast(void)
{
    unlink(ballast_file);
}

static void
a_full_file_system_is_no_space_and_recovers(void)
{
    static uint8_t ballast[3 << 20];
    struct driver *driver = NULL;
    char why[DRIVER_REASON_SIZE], saved[sizeof(data_dir)], mounted[sizeof(base_dir) + 8];
    FILE *out;
    snprintf(mounted, sizeof(mounted), "%s/small", base_dir);
    CU_ASSERT_EQUAL_FATAL(mkdir(mounted, 0700), 0);
    if (mount("none", mounted, "tmpfs", 0, "size=8m") != 0) {
        printf("(no right to mount a small file system: the file size limit above stands in) ");
        rmdir(mounted);
        return;
    }
    memcpy(saved, data_dir, sizeof(saved));
    snprintf(data_dir, sizeof(data_dir), "%s/data", mounted);
    snprintf(ballast_file, sizeof(ballast_file), "%s/ballast", mounted);
    out = fopen(ballast_file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_EQUAL(fwrite(ballast, sizeof(ballast), 1, out), 1);
    fclose(out);
    CU_ASSERT_EQUAL_FATAL(try_open(0, why, &driver), OK);
    CU_ASSERT_EQUAL(fill_and_recover(driver, remove_ballast), ERR_NO_SPACE);
    driver_close(driver);
    driver = open_driver(false); /* and what is there can be opened again */
    driver_close(driver);
    wipe(data_dir);
    CU_ASSERT_EQUAL(umount(mounted), 0);
    rmdir(mounted);
    memcpy(data_dir, saved, sizeof(saved));
}

/* ---- killed ---- */

#define KEPT 3

/* Batch n: one shared message and one outbox record more, those of n - KEPT less, and "n". */
static void
add_round(struct batch *batch, uint64_t n)
{
    struct slice record = slice_cstr("outbox");
    uint8_t number[8];
    buf_store_u64(number, n);
    append_shared(batch, n, 2);
    batch_outbox_append(batch, n, &record, 1);
    if (n > KEPT) {
        batch_queue_remove(batch, 1, n - KEPT);
        batch_queue_remove(batch, 2, n - KEPT);
        batch_outbox_remove(batch, n - KEPT);
    }
    batch_meta_put(batch, "n", slice_of(number, 8));
}

/* The child: commits for ever, says each number once it is durable. */
static void
commit_until_killed(uint64_t from, int pipe_fd)
{
    struct driver_lmdb_settings settings = {.data_dir = data_dir, .max_bytes = UINT64_C(1) << 30};
    char why[DRIVER_REASON_SIZE];
    struct driver *driver;
    struct batch batch;
    uint64_t n;
    if (driver_lmdb_open(&settings, why, &driver) != OK)
        _exit(3);
    batch_init(&batch);
    for (n = from;; n++) {
        batch_reset(&batch, 1 << 20);
        add_round(&batch, n);
        if (driver_apply(driver, &batch) != OK || write(pipe_fd, &n, sizeof(n)) != sizeof(n))
            _exit(4);
    }
}

struct found {
    uint64_t n;
    uint64_t outbox_count, outbox_first, outbox_last;
    struct driver_queue queues[2];
};

static void
found_meta(void *arg, const char *name, struct slice value)
{
    if (strcmp(name, "n") == 0 && value.len == 8)
        ((struct found *)arg)->n = cursor_load_u64(value.data);
}

static void
found_queue(void *arg, const struct driver_queue *queue)
{
    if (queue->session >= 1 && queue->session <= 2)
        ((struct found *)arg)->queues[queue->session - 1] = *queue;
}

static void
found_outbox(void *arg, uint64_t seq, struct slice record)
{
    struct found *found = arg;
    (void)record;
    if (found->outbox_count++ == 0)
        found->outbox_first = seq;
    found->outbox_last = seq;
}

static void
count_entries(void *arg, const struct driver_entry *entry)
{
    CU_ASSERT(entry->record.len > 10);
    (*(uint64_t *)arg)++;
}

/* Exactly the state after round found.n. */
static void
check_whole(struct driver *driver, struct found *found)
{
    static const struct driver_visitor visitor = {
        .meta = found_meta, .queue = found_queue, .outbox = found_outbox};
    uint64_t first, number, entries;
    bool more;
    memset(found, 0, sizeof(*found));
    CU_ASSERT_EQUAL_FATAL(driver_load(driver, &visitor, found), OK);
    first = found->n > KEPT ? found->n - KEPT + 1 : 1;
    CU_ASSERT_EQUAL(found->outbox_count, found->n - first + 1);
    for (number = 1; number <= 2 && found->n > 0; number++) {
        struct driver_queue *queue = &found->queues[number - 1];
        CU_ASSERT_EQUAL(queue->first_seq, first);
        CU_ASSERT_EQUAL(queue->last_seq, found->n);
        CU_ASSERT_EQUAL(queue->count, found->n - first + 1);
        entries = 0;
        CU_ASSERT_EQUAL(
            driver_queue_page(driver, number, 0, 100, SIZE_MAX, count_entries, &entries, &more),
            OK);
        CU_ASSERT_EQUAL(entries, queue->count);
        CU_ASSERT_EQUAL(found->outbox_first, first);
        CU_ASSERT_EQUAL(found->outbox_last, found->n);
    }
}

static void
a_kill_in_the_middle_of_commits_loses_nothing_and_leaves_nothing_half(void)
{
    struct driver *driver = open_driver(true);
    struct found found;
    uint64_t total = 0;
    unsigned seed = 7;
    int round;
    driver_close(driver);
    for (round = 0; round < 40; round++) {
        uint64_t wanted = (uint64_t)(rand_r(&seed) % 12);
        uint64_t said = total, n = 0;
        int fds[2], status;
        pid_t child;
        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        fflush(stdout);
        child = fork();
        if (child == 0) {
            close(fds[0]);
            commit_until_killed(total + 1, fds[1]);
        }
        CU_ASSERT_FATAL(child > 0);
        close(fds[1]);
        while (wanted-- > 0 && read(fds[0], &n, sizeof(n)) == sizeof(n))
            said = n;
        kill(child, SIGKILL); /* wherever it is just now */
        while (read(fds[0], &n, sizeof(n)) == sizeof(n))
            said = n;
        close(fds[0]);
        waitpid(child, &status, 0);
        CU_ASSERT(WIFSIGNALED(status));
        driver = open_driver(false);
        check_whole(driver, &found);
        driver_close(driver);
        CU_ASSERT(found.n == said || found.n == said + 1);
        total = found.n;
    }
    CU_ASSERT(total > 40);
    CU_ASSERT_EQUAL(rows("bodies"), KEPT);
    CU_ASSERT_EQUAL(rows("references"), KEPT);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(data_at_its_configured_size_is_full_and_recovers_by_removal),
    CUNIT_CASE(a_file_that_may_not_grow_is_no_space_and_recovers),
    CUNIT_CASE(a_full_file_system_is_no_space_and_recovers),
    CUNIT_CASE(a_kill_in_the_middle_of_commits_loses_nothing_and_leaves_nothing_half),
};

int
main(void)
{
    return run_in_directory("driver_lmdb_disk", cases, sizeof(cases) / sizeof(cases[0]));
}
