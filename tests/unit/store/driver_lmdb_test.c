/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded driver: the contract that all drivers keep, then what only a directory with files
 * can do: be locked, be full, be killed in the middle of a write. */
#include "common/clock.h"
#include "common/cursor.h"
#include "common/mem.h"
#include "services/store/driver_lmdb.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/store/driver_contract.h"

#include <dirent.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base_dir[64];
static char data_dir[96];

static void
wipe(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "store.lock"};
    char file[160];
    size_t i;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
}

static enum err
try_open(uint64_t max_bytes, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    struct driver_lmdb_settings settings = {.data_dir = data_dir, .max_bytes = max_bytes};
    return driver_lmdb_open(&settings, why, out);
}

static struct driver *
open_driver(bool fresh)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    enum err err;
    if (fresh)
        wipe(data_dir);
    err = try_open(UINT64_C(4) << 30, why, &driver);
    if (err != OK)
        printf("open: %s\n", why);
    CU_ASSERT_EQUAL_FATAL(err, OK);
    return driver;
}

/* Rows in a table, read behind the driver's back (it is closed). */
static size_t
rows(const char *table)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_stat stat = {0};
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, data_dir, MDB_RDONLY, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    if (mdb_dbi_open(txn, table, 0, &dbi) == 0)
        mdb_stat(txn, dbi, &stat);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return stat.ms_entries;
}

static void
append_shared(struct batch *batch, uint64_t seq, uint64_t sessions)
{
    struct slice record = slice_cstr("a message of some forty bytes, as they are");
    uint64_t number;
    batch_message(batch, &record, 1);
    for (number = 1; number <= sessions; number++)
        batch_queue_append(batch, number, seq, 1, NULL, 0);
}

static void
bodies_and_counts_leave_with_their_last_entry(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t seq;
    batch_init(&batch);
    for (seq = 1; seq <= 4; seq++)
        append_shared(&batch, seq, 3);
    append_shared(&batch, 5, 1); /* lies in its entry */
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 4);
    CU_ASSERT_EQUAL(rows("references"), 4);
    CU_ASSERT_EQUAL(rows("queue"), 13);
    driver = open_driver(false);
    for (seq = 1; seq <= 5; seq++) {
        batch_queue_remove(&batch, 1, seq);
        batch_queue_mark_rec(&batch, 2, seq);
    }
    batch_queue_remove(&batch, 3, 1);
    append_shared(&batch, 2, 1); /* replaces nothing, session 1 has gone on */
    append_shared(&batch, 3, 3); /* replaces in 3: the old body of 3 goes */
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 3);
    CU_ASSERT_EQUAL(rows("references"), 3);
    driver = open_driver(false);
    batch_session_delete(&batch, 1);
    batch_session_delete(&batch, 2);
    batch_session_delete(&batch, 3);
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 0);
    CU_ASSERT_EQUAL(rows("references"), 0);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    batch_fini(&batch);
}

static void
a_second_store_on_the_directory_is_refused_by_name(void)
{
    char why[DRIVER_REASON_SIZE], want[64];
    struct driver *second = NULL;
    struct driver *driver = open_driver(true);
    CU_ASSERT_EQUAL(try_open(0, why, &second), ERR_BUSY);
    snprintf(want, sizeof(want), "process %ld", (long)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(why, want));
    CU_ASSERT_PTR_NULL(second);
    driver_close(driver);
    driver = open_driver(false);
    driver_close(driver);
}

static void
an_unusable_directory_is_an_error_that_says_so(void)
{
    char why[DRIVER_REASON_SIZE], file[128];
    struct driver_lmdb_settings settings = {.data_dir = "/nonexistent/below/this"};
    struct driver *driver = NULL;
    FILE *out;
    CU_ASSERT_EQUAL(driver_lmdb_open(&settings, why, &driver), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "/nonexistent"));
    wipe(data_dir);
    CU_ASSERT_EQUAL(mkdir(data_dir, 0700), 0);
    snprintf(file, sizeof(file), "%s/data.mdb", data_dir);
    out = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fprintf(out, "%s",
            "this is no database, but it is long enough to be looked at as one ........"
            "....................................................................");
    fclose(out);
    CU_ASSERT_EQUAL(truncate(file, 8192), 0);
    CU_ASSERT_EQUAL(try_open(0, why, &driver), ERR_MALFORMED);
    CU_ASSERT_PTR_NULL(driver);
    wipe(data_dir);
}

static void
data_of_another_layout_is_refused(void)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = open_driver(true);
    uint8_t version[8] = {0, 0, 0, 0, 0, 0, 0, 99};
    MDB_val key = {6, (void *)(uintptr_t) "schema"};
    MDB_val value = {8, version};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    driver_close(driver);
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, data_dir, 0, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, "about", 0, &dbi), 0);
    CU_ASSERT_EQUAL(mdb_put(txn, dbi, &key, &value, 0), 0);
    CU_ASSERT_EQUAL(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    CU_ASSERT_EQUAL(try_open(0, why, &driver), ERR_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "99"));
}

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
        driver_contract_apply(driver, &removal); /* frees the pages of the one before */
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

/* ---- measured ---- */

static void
group_commit_throughput_is_printed(void)
{
    static uint8_t bytes[200];
    struct slice record = slice_of(bytes, sizeof(bytes));
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t group, seq = 1, began = clock_monotonic_us(), took, number;
    batch_init(&batch);
    for (group = 0; group < 100; group++) {
        int i;
        for (i = 0; i < 100; i++, seq++) {
            batch_message(&batch, &record, 1);
            batch_queue_append(&batch, 1 + seq % 50, seq, 1, NULL, 0);
            if (seq > 1000)
                batch_queue_remove(&batch, 1 + (seq - 1000) % 50, seq - 1000);
        }
        driver_contract_apply(driver, &batch);
    }
    took = clock_monotonic_us() - began;
    printf("\n    groups of 100 appends and 100 removals: %llu messages/s, %llu us per commit ",
           (unsigned long long)(10000 * UINT64_C(1000000) / (took + 1)),
           (unsigned long long)(took / 100));
    began = clock_monotonic_us();
    for (group = 0; group < 10; group++) {
        int i;
        for (i = 0; i < 5000; i++, seq++) {
            batch_message(&batch, &record, 1);
            batch_queue_append(&batch, 1 + seq % 50, seq, 1, NULL, 0);
            batch_queue_remove(&batch, 1 + (seq - 1000) % 50, seq - 1000);
        }
        driver_contract_apply(driver, &batch);
    }
    took = clock_monotonic_us() - began;
    printf("\n    groups of 5,000: %llu messages/s, %llu us per commit ",
           (unsigned long long)(50000 * UINT64_C(1000000) / (took + 1)),
           (unsigned long long)(took / 10));
    batch_message(&batch, &record, 1);
    for (number = 1; number <= 10000; number++)
        batch_queue_append(&batch, number, seq, 1, NULL, 0);
    began = clock_monotonic_us();
    driver_contract_apply(driver, &batch);
    printf("\n    one message to 10,000 sessions: %llu us ",
           (unsigned long long)(clock_monotonic_us() - began));
    batch_fini(&batch);
    driver_close(driver);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_CASES //
        CUNIT_CASE(bodies_and_counts_leave_with_their_last_entry),
    CUNIT_CASE(a_second_store_on_the_directory_is_refused_by_name),
    CUNIT_CASE(an_unusable_directory_is_an_error_that_says_so),
    CUNIT_CASE(data_of_another_layout_is_refused),
    CUNIT_CASE(data_at_its_configured_size_is_full_and_recovers_by_removal),
    CUNIT_CASE(a_file_that_may_not_grow_is_no_space_and_recovers),
    CUNIT_CASE(a_full_file_system_is_no_space_and_recovers),
    CUNIT_CASE(a_kill_in_the_middle_of_commits_loses_nothing_and_leaves_nothing_half),
    CUNIT_CASE(group_commit_throughput_is_printed),
};

int
main(void)
{
    int failed;
    const char *tmp = "/tmp";
    snprintf(base_dir, sizeof(base_dir), "%s/sluice-driver-XXXXXX", tmp);
    if (mkdtemp(base_dir) == NULL)
        return 2;
    snprintf(data_dir, sizeof(data_dir), "%s/data", base_dir);
    driver_contract_use(&contract);
    failed = cunit_run("driver_lmdb", cases, sizeof(cases) / sizeof(cases[0]));
    wipe(data_dir);
    rmdir(base_dir);
    return failed;
}
