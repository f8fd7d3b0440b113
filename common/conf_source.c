/* SPDX-License-Identifier: Apache-2.0 */
/* Flags, environment and file: each gives text to rows that nobody has given yet. The only file
 * that reads the environment. */
#include "common/conf_source.h"

#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONF_ENV_PREFIX "SLUICE_"

extern char **environ;

const struct conf_row *
conf_source_row(const struct conf *conf, size_t index, const struct conf_table **table)
{
    size_t t;
    for (t = 0; t < conf->table_count; t++) {
        if (index < conf->tables[t].count) {
            *table = &conf->tables[t];
            return &conf->tables[t].rows[index];
        }
        index -= conf->tables[t].count;
    }
    log_fatal("conf_broken", "no such row");
}

size_t
conf_source_find(const struct conf *conf, struct slice name)
{
    const struct conf_table *table;
    size_t i;
    for (i = 0; i < conf->row_count; i++) {
        if (slice_equal_cstr(name, conf_source_row(conf, i, &table)->name))
            break;
    }
    return i;
}

void
conf_source_env_name(const char *name, const char *suffix, char out[CONF_ENV_NAME_MAX])
{
    size_t i;
    str_format(out, CONF_ENV_NAME_MAX, CONF_ENV_PREFIX "%s%s", name, suffix);
    for (i = 0; out[i] != '\0'; i++) {
        if (out[i] == '-')
            out[i] = '_';
        else if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] - ('a' - 'A'));
    }
}

static void
conf_source_give(struct conf *conf, size_t index, struct slice text, const char *source)
{
    conf->given[index].text = slice_dup(text);
    conf->given[index].source = source;
}

/* The whole file as new text, NULL when it cannot be read (errno) or is too long (EFBIG). */
static char *
conf_source_text(const char *path, size_t cap, size_t *len)
{
    FILE *file = fopen(path, "re");
    struct buf content;
    uint8_t chunk[4096];
    size_t n;
    char *text = NULL;
    if (file == NULL)
        return NULL;
    buf_init(&content, cap);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) != 0 && buf_error(&content) == OK)
        buf_append(&content, chunk, n);
    if (ferror(file) != 0)
        errno = EIO;
    else if (buf_error(&content) != OK)
        errno = EFBIG;
    else
        text = slice_dup(buf_slice(&content));
    *len = buf_len(&content);
    if (content.data != NULL)
        explicit_bzero(content.data, content.size);
    buf_fini(&content);
    fclose(file);
    return text;
}

/* --name=value, --name value; a boolean may stand alone. Returns how many arguments were used. */
static int
conf_source_flag(struct conf *conf, int left, char *const *argv)
{
    struct slice flag = slice_cstr(argv[0] + 2);
    size_t eq = slice_find(flag, '=');
    struct slice name = slice_sub(flag, 0, eq);
    struct slice value = slice_sub(flag, eq + 1, flag.len);
    bool has_value = eq != flag.len;
    bool is_probe = slice_equal_cstr(name, "probe");
    char **own = is_probe ? &conf->probe : slice_equal_cstr(name, "config") ? &conf->file : NULL;
    const struct conf_table *table;
    size_t index = conf_source_find(conf, name);
    int used = 1;
    if (own == NULL && index == conf->row_count) {
        conf_mistake(conf, NULL, "unknown flag --%.*s", (int)name.len, (const char *)name.data);
        /* What follows is most likely its value: not a mistake of its own. */
        return !has_value && left > 1 && strncmp(argv[1], "--", 2) != 0 ? 2 : 1;
    }
    if (!has_value && left > 1 && strncmp(argv[1], "--", 2) != 0) {
        value = slice_cstr(argv[1]);
        has_value = true;
        used = 2;
    }
    if (own != NULL) {
        if (!has_value || *own != NULL)
            conf_mistake(conf, NULL,
                         is_probe ? "--probe needs one path" : "--config needs one file");
        else
            *own = slice_dup(value);
        return used;
    }
    if (!has_value && conf_source_row(conf, index, &table)->type == CONF_BOOL) {
        value = slice_cstr("on");
        has_value = true;
    }
    if (!has_value)
        conf_mistake(conf, conf_source_row(conf, index, &table)->name, "the flag needs a value");
    else if (conf->given[index].text != NULL)
        conf_mistake(conf, conf_source_row(conf, index, &table)->name, "the flag is given twice");
    else
        conf_source_give(conf, index, value, "flag");
    return used;
}

void
conf_source_flags(struct conf *conf, int argc, char *const *argv)
{
    int i = 1;
    while (i < argc) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            conf->help = true;
        else if (strcmp(arg, "--version") == 0)
            conf->version = true;
        else if (strcmp(arg, "--check") == 0)
            conf->check = true;
        else if (strncmp(arg, "--", 2) == 0 && arg[2] != '\0') {
            i += conf_source_flag(conf, argc - i, argv + i);
            continue;
        } else
            conf_mistake(conf, NULL, "unexpected argument %s", arg);
        i++;
    }
}

static void
conf_source_secret(struct conf *conf, size_t index, const char *name, const char *path)
{
    size_t len = 0;
    char *text = conf_source_text(path, CONF_VALUE_MAX, &len);
    struct slice value = slice_of(text, len);
    if (text == NULL) {
        conf_mistake(conf, name, "file %s cannot be read: %s", path, log_errno_text(errno));
        return;
    }
    if (value.len != 0 && value.data[value.len - 1] == '\n')
        value.len--;
    if (value.len != 0 && value.data[value.len - 1] == '\r')
        value.len--;
    if (slice_find(value, '\0') != value.len)
        conf_mistake(conf, name, "file %s has a NUL byte", path);
    else
        conf_source_give(conf, index, value, "env");
    mem_free_secret(text, len);
}

void
conf_source_env(struct conf *conf)
{
    const struct conf_table *table;
    char name[CONF_ENV_NAME_MAX];
    size_t i;
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        const char *value;
        const char *path = NULL;
        if (conf->given[i].text != NULL)
            continue;
        conf_source_env_name(row->name, "", name);
        value = getenv(name);
        if (row->type == CONF_SECRET) {
            conf_source_env_name(row->name, "_FILE", name);
            path = getenv(name);
        }
        if (value != NULL && path != NULL)
            conf_mistake(conf, row->name, "given both directly and as a file in the environment");
        else if (value != NULL)
            conf_source_give(conf, i, slice_cstr(value), "env");
        else if (path != NULL)
            conf_source_secret(conf, i, row->name, path);
    }
    const char *file = getenv(CONF_ENV_PREFIX "CONFIG");
    if (conf->file == NULL && file != NULL)
        conf->file = mem_strdup(file);
}

static bool
conf_source_env_is_known(const struct conf *conf, struct slice name)
{
    const struct conf_table *table;
    char known[CONF_ENV_NAME_MAX];
    size_t i;
    if (slice_equal_cstr(name, CONF_ENV_PREFIX "CONFIG"))
        return true;
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        conf_source_env_name(row->name, "", known);
        if (slice_equal_cstr(name, known))
            return true;
        conf_source_env_name(row->name, "_FILE", known);
        if (row->type == CONF_SECRET && slice_equal_cstr(name, known))
            return true;
    }
    return false;
}

/* Only a warning: an orchestrator puts names of its own there, and so does another program's
 * setting in a shared environment. */
void
conf_source_warn_env(const struct conf *conf)
{
    char **entry;
    for (entry = environ; entry != NULL && *entry != NULL; entry++) {
        struct slice name = slice_cstr(*entry);
        name.len = slice_find(name, '=');
        if (slice_has_prefix(name, slice_cstr(CONF_ENV_PREFIX)) &&
            !conf_source_env_is_known(conf, name))
            log_warn("setting_unknown", LOG_STR("environment", name), LOG_END);
    }
}

/* `seen` marks rows that this file has named already, whoever won. */
static void
conf_source_line(struct conf *conf, struct slice line, unsigned number, bool *seen)
{
    struct slice name = slice_trim(slice_sub(line, 0, slice_find(line, '=')));
    struct slice value = slice_trim(slice_sub(line, slice_find(line, '=') + 1, line.len));
    size_t index;
    if (slice_find(line, '=') == line.len) {
        conf_mistake(conf, NULL, "%s:%u: not of the form key = value", conf->file, number);
        return;
    }
    index = conf_source_find(conf, name);
    if (index == conf->row_count) {
        conf_mistake(conf, NULL, "%s:%u: unknown setting %.*s", conf->file, number, (int)name.len,
                     (const char *)name.data);
        return;
    }
    if (seen[index])
        conf_mistake(conf, NULL, "%s:%u: setting %.*s is given twice", conf->file, number,
                     (int)name.len, (const char *)name.data);
    seen[index] = true;
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        value = slice_sub(value, 1, value.len - 2);
    if (conf->given[index].text == NULL)
        conf_source_give(conf, index, value, "file");
}

void
conf_source_file(struct conf *conf)
{
    size_t len = 0;
    char *text;
    struct slice rest;
    bool *seen;
    unsigned number;
    if (conf->file == NULL)
        return;
    text = conf_source_text(conf->file, CONF_FILE_MAX, &len);
    if (text == NULL) {
        conf_mistake(conf, NULL, "file %s cannot be read: %s", conf->file, log_errno_text(errno));
        return;
    }
    seen = mem_zalloc_array(conf->row_count + 1, sizeof(*seen));
    rest = slice_of(text, len);
    for (number = 1; rest.len != 0; number++) {
        size_t end = slice_find(rest, '\n');
        struct slice line = slice_trim(slice_sub(rest, 0, end));
        rest = slice_sub(rest, end + 1, rest.len);
        if (line.len != 0 && line.data[0] != '#')
            conf_source_line(conf, line, number, seen);
    }
    mem_free(seen);
    mem_free_secret(text, len);
}
