/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: one table row each. A row is read from --flag, then SLUICE_<NAME>, then a `key =
 * value` file (--config FILE or SLUICE_CONFIG), then its default; secrets also from the file named
 * by SLUICE_<NAME>_FILE. All mistakes are reported at once. It checks each value alone: rules that
 * join settings are the service's, which reports them through conf_mistake. */
#ifndef SLUICE_COMMON_CONF_H
#define SLUICE_COMMON_CONF_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_VALUE_MAX 4096           /* longest value of a setting */
#define CONF_FILE_MAX  (256u * 1024u) /* longest settings file */

enum conf_type {
    CONF_STR,         /* char *, owned by struct conf; min..max bytes; "" when empty */
    CONF_SECRET,      /* as CONF_STR, never shown */
    CONF_U64,         /* uint64_t in min..max */
    CONF_BOOL,        /* bool: on/off, true/false, yes/no, 1/0 */
    CONF_ENUM,        /* unsigned: index into choices */
    CONF_LIST,        /* struct conf_list of min..max items, separated by commas */
    CONF_DURATION_MS, /* uint64_t ms in min..max: 250ms, 30s, 5m, 2h, 1d; bare = ms */
    CONF_SIZE,        /* uint64_t bytes in min..max: 4096, 64KiB (k), 8MiB (m), 1GiB (g) */
};

/* Owned by struct conf. */
struct conf_list {
    char **items;
    size_t count;
};

struct conf_row {
    const char *name; /* "mqtt-port" */
    enum conf_type type;
    const char *fallback; /* the default, as text; NULL = must be given */
    uint64_t min;
    uint64_t max;        /* 0: no bound but that of the type */
    const char *unit;    /* for --help, may be NULL */
    const char *choices; /* CONF_ENUM: "auto|kv|json" */
    const char *help;
    size_t offset; /* into the settings struct: offsetof */
};

/* Rows that fill one settings struct. Rows and struct are borrowed as long as struct conf. */
struct conf_table {
    const struct conf_row *rows;
    size_t count;
    void *settings;
};

#define CONF_TABLE(rows_, settings_)                                                               \
    ((struct conf_table){(rows_), sizeof(rows_) / sizeof((rows_)[0]), (settings_)})

struct conf_program {
    const char *name;    /* "sluice-gateway" */
    const char *about;   /* one line for --help */
    const char *version; /* SLUICE_VERSION */
};

enum conf_outcome {
    CONF_RUN,    /* settings are filled: go on */
    CONF_DONE,   /* --help, --version, a good --check or --probe: exit 0 */
    CONF_UNWELL, /* --probe of a program that does not answer 200: exit 1 */
    CONF_BAD,    /* mistakes were written to stderr: exit 2 */
};

struct conf;

/* *out is new whatever the outcome (conf_free when the settings are no longer used). --help and
 * --version go to stdout. --probe PATH asks the program that runs here with the same http-bind and
 * http-port, says on stdout what it answers, and looks at no other setting. check, if not NULL, is
 * called with all values filled when no single one is wrong, and reports rules between settings
 * with conf_mistake. */
typedef void (*conf_check_fn)(struct conf *conf, void *arg);
enum conf_outcome conf_load(const struct conf_program *program, const struct conf_table *tables,
                            size_t table_count, int argc, char *const *argv, conf_check_fn check,
                            void *arg, struct conf **out);
void conf_free(struct conf *conf);
/* What the program that is not to run exits with. */
int conf_exit_status(enum conf_outcome outcome);

/* From a check function: one more mistake. name may be NULL. */
void conf_mistake(struct conf *conf, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All mistakes so far, one a line, borrowed until conf_free; "" when none. */
const char *conf_mistakes(const struct conf *conf);
/* Settings in force, row by row. value is borrowed until return; secrets show as "***" ("" when
 * empty). source: "flag", "env", "file", "default". */
typedef void (*conf_describe_fn)(void *arg, const struct conf_row *row, const char *value,
                                 const char *source);
void conf_describe(const struct conf *conf, conf_describe_fn fn, void *arg);
/* True when the operator gave the setting (not its default). */
bool conf_is_given(const struct conf *conf, const char *name);

/* Settings that every program has. Put CONF_COMMON_ROWS(struct gateway_settings, common, "9100")
 * into the service's table, and struct conf_common common into its struct. */
struct conf_common {
    unsigned log_level;  /* enum log_level */
    unsigned log_format; /* enum log_format */
    char *http_bind;
    uint64_t http_port; /* 0 = off */
    char *cluster_secret;
    char *cluster_ca; /* all three empty = plain TCP between programs */
    char *cluster_cert;
    char *cluster_key;
    char *instance; /* empty: the service makes one from the host name */
};

/* For check functions (conf_rules.c): mistakes where an address is not host:port, one to listen on
 * is not given in numbers, a host has a port, a file that is named cannot be read, or the common
 * settings do not fit together; addresses are not there twice. IPv6 stands in brackets wherever a
 * port may follow. */
void conf_check_address(struct conf *conf, const char *name, const char *address);
void conf_check_bind(struct conf *conf, const char *name, const char *address);
void conf_check_host(struct conf *conf, const char *name, const char *host);
void conf_check_addresses(struct conf *conf, const char *name, const struct conf_list *list);
void conf_check_file(struct conf *conf, const char *name, const char *path);
void conf_check_common(struct conf *conf, const struct conf_common *common);

#define CONF_COMMON_ROWS(type_, member_, http_port_)                                               \
    {"log-level",                                                                                  \
     CONF_ENUM,                                                                                    \
     "info",                                                                                       \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     "error|warn|info|debug",                                                                      \
     "how much is logged; can be changed while running",                                           \
     offsetof(type_, member_.log_level)},                                                          \
        {"log-format",                                                                             \
         CONF_ENUM,                                                                                \
         "auto",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "auto|kv|json",                                                                           \
         "auto: key=value on a terminal, JSON otherwise",                                          \
         offsetof(type_, member_.log_format)},                                                     \
        {"http-bind",                                                                              \
         CONF_STR,                                                                                 \
         "0.0.0.0",                                                                                \
         1,                                                                                        \
         255,                                                                                      \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "address of the probes and metrics, IPv4 or IPv6 (:: takes both)",                        \
         offsetof(type_, member_.http_bind)},                                                      \
        {"http-port",                                                                              \
         CONF_U64,                                                                                 \
         (http_port_),                                                                             \
         0,                                                                                        \
         65535,                                                                                    \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "port of /livez /readyz /healthz /metrics; 0 turns them off",                             \
         offsetof(type_, member_.http_port)},                                                      \
        {"cluster-secret",                                                                         \
         CONF_SECRET,                                                                              \
         NULL,                                                                                     \
         16,                                                                                       \
         1024,                                                                                     \
         "bytes",                                                                                  \
         NULL,                                                                                     \
         "the secret that all programs of one cluster share",                                      \
         offsetof(type_, member_.cluster_secret)},                                                 \
        {"cluster-ca",                                                                             \
         CONF_STR,                                                                                 \
         "",                                                                                       \
         0,                                                                                        \
         4095,                                                                                     \
         "file",                                                                                   \
         NULL,                                                                                     \
         "PEM of the authority for TLS between programs; empty: plain TCP",                        \
         offsetof(type_, member_.cluster_ca)},                                                     \
        {"cluster-cert",                                                                           \
         CONF_STR,                                                                                 \
         "",                                                                                       \
         0,                                                                                        \
         4095,                                                                                     \
         "file",                                                                                   \
         NULL,                                                                                     \
         "PEM certificate of this program",                                                        \
         offsetof(type_, member_.cluster_cert)},                                                   \
        {"cluster-key",                                                                            \
         CONF_STR,                                                                                 \
         "",                                                                                       \
         0,                                                                                        \
         4095,                                                                                     \
         "file",                                                                                   \
         NULL,                                                                                     \
         "PEM key of this program",                                                                \
         offsetof(type_, member_.cluster_key)},                                                    \
    {                                                                                              \
        "instance", CONF_STR, "", 0, 63, NULL, NULL, "name of this instance in logs and the API",  \
            offsetof(type_, member_.instance)                                                      \
    }

#endif
