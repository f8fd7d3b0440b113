/* SPDX-License-Identifier: Apache-2.0 */
/* A MariaDB server of the tests' own: data in a temporary directory, a free port of the loopback,
 * killed and started again on demand; and a connection to look behind the driver's back. */
#ifndef SLUICE_TESTS_DRIVER_MYSQL_KIT_H
#define SLUICE_TESTS_DRIVER_MYSQL_KIT_H

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/store/driver_mysql.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/free_port.h"
#include "tests/unit/store/driver_contract.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mariadb/mysql.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base_dir[64];
static unsigned server_port;
static pid_t server_pid;
static const char *server_extra; /* one more option of mariadbd; NULL: none */

/* For what the tests themselves need, also outside of cases. */
static inline void
must(bool good, const char *what)
{
    if (!good) {
        printf("%s; see %s/log\n", what, base_dir);
        fflush(stdout);
        if (server_pid != 0)
            kill(server_pid, SIGKILL);
        _exit(2);
    }
}

/* Starts a program with its output in base_dir/log; it dies with this one. Its temporary files are
 * its own too: a MariaDB that starts removes from the common place what another has there for the
 * moment. */
static inline pid_t
spawn(char *const argv[])
{
    char path[96];
    pid_t parent = getpid();
    pid_t pid;
    snprintf(path, sizeof(path), "%s/log", base_dir);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        setenv("TMPDIR", base_dir, 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

/* As the administrator, in the database sluice if it is there. New; mysql_close. NULL: no server.
 */
static inline MYSQL *
server_connect(void)
{
    MYSQL *mysql = mysql_init(NULL);
    char path[96];
    snprintf(path, sizeof(path), "%s/socket", base_dir);
    if (mysql_real_connect(mysql, NULL, "root", "", NULL, 0, path, 0) == NULL) {
        mysql_close(mysql);
        return NULL;
    }
    (void)mysql_query(mysql, "USE sluice");
    return mysql;
}

static inline void
server_start(void)
{
    char data[96], path[96], port[32], pid_file[96], user[64], init[96];
    char *argv[] = {"mariadbd",
                    "--no-defaults",
                    data,
                    path,
                    port,
                    pid_file,
                    user,
                    init,
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",
                    "--skip-grant-tables=0",
                    "--innodb-buffer-pool-size=64M",
                    "--innodb-log-file-size=32M",
                    "--performance-schema=off",
                    "--skip-log-bin",
                    server_extra != NULL ? (char *)(uintptr_t)server_extra : NULL,
                    NULL};
    uint64_t until = clock_monotonic_ms() + 120000;
    MYSQL *mysql = NULL;
    snprintf(data, sizeof(data), "--datadir=%s/data", base_dir);
    snprintf(path, sizeof(path), "--socket=%s/socket", base_dir);
    snprintf(port, sizeof(port), "--port=%u", server_port);
    snprintf(pid_file, sizeof(pid_file), "--pid-file=%s/pid", base_dir);
    snprintf(user, sizeof(user), "--user=%s", getpwuid(getuid())->pw_name);
    snprintf(init, sizeof(init), "--init-file=%s/init.sql", base_dir);
    server_pid = spawn(argv);
    while (mysql == NULL && clock_monotonic_ms() < until &&
           waitpid(server_pid, NULL, WNOHANG) == 0) {
        poll(NULL, 0, 10);
        mysql = server_connect();
    }
    must(mysql != NULL, "mariadbd does not start");
    mysql_close(mysql);
}

static inline void
server_kill(void)
{
    kill(server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
    server_pid = 0;
}

/* Statements behind the driver's back. */
static inline void
server_sql(const char *sql)
{
    MYSQL *mysql = server_connect();
    CU_ASSERT_PTR_NOT_NULL_FATAL(mysql);
    if (mysql_query(mysql, sql) != 0) {
        printf("%s: %s\n", sql, mysql_error(mysql));
        CU_FAIL("statement failed");
    }
    mysql_close(mysql);
}

/* First column of the first row, as text. */
static inline void
server_ask(const char *sql, char *out, size_t size)
{
    MYSQL *mysql = server_connect();
    MYSQL_RES *result;
    MYSQL_ROW row;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mysql);
    CU_ASSERT_EQUAL_FATAL(mysql_query(mysql, sql), 0);
    result = mysql_store_result(mysql);
    CU_ASSERT_PTR_NOT_NULL_FATAL(result);
    row = mysql_fetch_row(result);
    snprintf(out, size, "%s", row != NULL && row[0] != NULL ? row[0] : "");
    mysql_free_result(result);
    mysql_close(mysql);
}

static inline uint64_t
server_number(const char *sql)
{
    char text[64];
    server_ask(sql, text, sizeof(text));
    return strtoull(text, NULL, 10);
}

static inline size_t
rows(const char *table)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
    return (size_t)server_number(sql);
}

/* ---- the driver ---- */

static char host_text[2][64];
static char *host_items[2] = {host_text[0], host_text[1]};

/* Settings for the server's port; host 1 is for tests that want two. */
static inline struct driver_mysql_config
config_of(unsigned port)
{
    static char user[] = "sluice", password[] = "a 'secret\"", database[] = "sluice", none[] = "";
    struct driver_mysql_config config = {.user = user,
                                         .password = password,
                                         .database = database,
                                         .tls_ca = none,
                                         .tls_cert = none,
                                         .tls_key = none,
                                         .tls_verify = true,
                                         .connect_timeout_ms = 2000,
                                         .timeout_ms = 10000,
                                         .connections = 4};
    snprintf(host_text[0], sizeof(host_text[0]), "127.0.0.1:%u", port);
    config.hosts = (struct conf_list){host_items, 1};
    return config;
}

static inline enum err
try_open(const struct driver_mysql_config *config, char why[DRIVER_REASON_SIZE],
         struct driver **out)
{
    *out = NULL;
    return driver_mysql_open(config, why, out);
}

static inline struct driver *
open_shard(const struct driver_mysql_config *config, uint32_t shard)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver;
    enum err err = try_open(config, why, &driver);
    if (err != OK)
        printf("open: %s: %s\n", err_text(err), why);
    CU_ASSERT_EQUAL_FATAL(err, OK);
    driver_contract_claim(driver, shard);
    return driver;
}

static inline struct driver *
open_with(const struct driver_mysql_config *config)
{
    return open_shard(config, 0);
}

/* Empties all tables; dropping them takes much longer. */
static inline void
wipe(void)
{
    static const char *const tables[] = {
        "shards", "leases",  "meta",  "sessions", "subscriptions", "messages",
        "queue",  "inbound", "wills", "outbox",   "tokens",        "retained",
        "users",  "roles",   "bans",  "api_keys", "audit"};
    MYSQL *mysql = server_connect();
    char sql[64];
    size_t i;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mysql);
    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        snprintf(sql, sizeof(sql), "DELETE FROM %s", tables[i]);
        (void)mysql_query(mysql, sql); /* at first there are none */
    }
    mysql_close(mysql);
}

static inline struct driver *
open_driver(bool fresh)
{
    struct driver_mysql_config config = config_of(server_port);
    if (fresh)
        wipe();
    return open_with(&config);
}

static inline void
append_shared(struct batch *batch, uint64_t seq, uint64_t sessions)
{
    struct slice record = slice_cstr("a message of some forty bytes, as they are");
    uint64_t number;
    batch_message(batch, &record, 1);
    for (number = 1; number <= sessions; number++)
        batch_queue_append(batch, number, seq, 1, NULL, 0);
}

/* ---- around all cases ---- */

static inline int
make_server(void)
{
    char data[96], user[64], path[96];
    char *argv[] = {"mariadb-install-db",
                    "--no-defaults",
                    data,
                    user,
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    NULL};
    int status = -1;
    FILE *init;
    snprintf(base_dir, sizeof(base_dir), "%s", "/tmp/sluice-mysql-XXXXXX");
    if (mkdtemp(base_dir) == NULL)
        return 2;
    snprintf(data, sizeof(data), "--datadir=%s/data", base_dir);
    snprintf(user, sizeof(user), "--user=%s", getpwuid(getuid())->pw_name);
    waitpid(spawn(argv), &status, 0);
    must(status == 0, "mariadb-install-db failed");
    snprintf(path, sizeof(path), "%s/init.sql", base_dir);
    init = fopen(path, "w");
    fputs("CREATE USER IF NOT EXISTS sluice@'%' IDENTIFIED BY 'a ''secret\"';\n"
          "GRANT ALL ON sluice.* TO sluice@'%';\n",
          init);
    fclose(init);
    server_port = (unsigned)free_port();
    return 0;
}

/* Makes the server's directory, starts it, runs the cases, removes it. */
static inline int
run_with_server(const char *name, const struct cunit_case *cases, size_t count)
{
    char command[128];
    int failed = make_server();
    if (failed != 0)
        return failed;
    log_open("driver_mysql_test", LOG_LEVEL_ERROR, LOG_FORMAT_KV);
    server_start();
    failed = cunit_run(name, cases, count);
    if (server_pid != 0)
        server_kill();
    snprintf(command, sizeof(command), "rm -rf '%s'", base_dir);
    return system(command) == 0 ? failed : 2;
}

#endif
