/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct conf and the three places where settings come from. Values are text here;
 * conf.c parses them. Only for conf.c. */
#ifndef SLUICE_COMMON_CONF_SOURCE_H
#define SLUICE_COMMON_CONF_SOURCE_H

#include "common/buf.h"
#include "common/conf.h"

#define CONF_ENV_NAME_MAX 128

/* Where a row's text came from. */
struct conf_given {
    char *text; /* NULL: nobody gave it */
    const char *source;
};

struct conf {
    const struct conf_program *program;
    const struct conf_table *tables;
    size_t table_count;
    struct conf_table *own_tables;
    size_t row_count;
    struct conf_given *given;
    struct buf mistakes;
    char *mistakes_text;
    char *file;
    bool help;
    bool version;
    bool check;
    char *probe; /* path to ask the running program for; NULL: do not */
};

/* The row of a running index over all tables (asserted to be below row_count), and its table. */
const struct conf_row *conf_source_row(const struct conf *conf, size_t index,
                                       const struct conf_table **table);
/* Index of the row of that name, row_count when there is none. */
size_t conf_source_find(const struct conf *conf, struct slice name);
/* "mqtt-port" -> "SLUICE_MQTT_PORT" + suffix. */
void conf_source_env_name(const char *name, const char *suffix, char out[CONF_ENV_NAME_MAX]);

/* In the order of precedence; each leaves alone what is given. Mistakes go to conf_mistake. */
void conf_source_flags(struct conf *conf, int argc, char *const *argv);
void conf_source_env(struct conf *conf);
void conf_source_file(struct conf *conf);
/* A log line for every SLUICE_ name in the environment that is no setting. */
void conf_source_warn_env(const struct conf *conf);

#endif
