/* SPDX-License-Identifier: Apache-2.0 */
/* See static_files.h. A path is taken apart here: segments of harmless characters that do not begin
 * with a dot can name nothing outside. */
#include "services/rest/static_files.h"

#include "common/crypt.h"
#include "common/mem.h"
#include "services/rest/url.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX    ((size_t)16 << 20)
#define INSTALLED   "/usr/share/sluice/web"
#define ETAG_DIGITS 32

static const struct {
    const char *end;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *
type_of(struct slice path)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t len = strlen(types[i].end);
        if (path.len > len && slice_equal_cstr(slice_sub(path, path.len - len, len), types[i].end))
            return types[i].type;
    }
    return NULL;
}

static bool
is_harmless(struct slice path)
{
    struct slice segment;
    if (path.len > 200)
        return false;
    while (url_segment(&path, &segment)) {
        if (segment.len == 0 || segment.data[0] == '.')
            return false;
        for (size_t i = 0; i < segment.len; i++) {
            uint8_t c = segment.data[i];
            bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
            if (!is_letter && !(c >= '0' && c <= '9') && strchr("-_.", c) == NULL)
                return false;
        }
    }
    return true;
}

/* New bytes of an ordinary file; NULL: none. */
static uint8_t *
read_file(const char *name, size_t *len)
{
    struct stat info;
    int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t *bytes = NULL;
    if (file < 0)
        return NULL;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= 0 &&
        (size_t)info.st_size <= FILE_MAX) {
        size_t size = (size_t)info.st_size, got = 0;
        ssize_t n = 1;
        bytes = mem_alloc(size);
        while (got < size && (n = read(file, bytes + got, size - got)) > 0)
            got += (size_t)n;
        *len = got;
    }
    close(file);
    return bytes;
}

static void
make_etag(const uint8_t *bytes, size_t len, char out[ETAG_DIGITS + 3])
{
    uint8_t digest[CRYPT_SHA256_LEN];
    crypt_sha256(slice_of(bytes, len), digest);
    crypt_hex(digest, ETAG_DIGITS / 2, out + 1);
    out[0] = out[ETAG_DIGITS + 1] = '"';
    out[ETAG_DIGITS + 2] = 0;
}

bool
static_files_serve(const char *directory, const char *folder, struct slice path,
                   struct exchange *exchange)
{
    char name[PATH_MAX], etag[ETAG_DIGITS + 3];
    size_t len = 0;
    if (path.len == 0)
        path = slice_cstr("index.html");
    const char *type = type_of(path);
    if (directory == NULL || type == NULL || !is_harmless(path) ||
        str_format(name, sizeof name, "%s/%s/%.*s", directory, folder, (int)path.len,
                   (const char *)path.data) != OK)
        return false;
    uint8_t *bytes = read_file(name, &len);
    if (bytes == NULL)
        return false;
    make_etag(bytes, len, etag);
    const char *known = exchange_header(exchange, "If-None-Match");
    exchange_set_header(exchange, "ETag", etag);
    exchange_set_header(exchange, "Cache-Control", "no-cache"); /* may be kept, must be asked for */
    if (known != NULL && strstr(known, etag) != NULL) {
        mem_free(bytes);
        exchange_answer_empty(exchange, 304);
    } else {
        exchange_answer_bytes(exchange, 200, type, bytes, len);
    }
    return true;
}

static bool
is_directory(const char *name)
{
    struct stat info;
    return stat(name, &info) == 0 && S_ISDIR(info.st_mode);
}

char *
static_files_directory(const char *setting)
{
    char name[PATH_MAX];
    if (setting[0] != 0)
        return is_directory(setting) ? mem_strdup(setting) : NULL;
    ssize_t len = readlink("/proc/self/exe", name, sizeof name - 16);
    if (len > 0) {
        name[len] = 0;
        for (int up = 0; up < 2; up++) { /* build/release/sluice-rest -> build */
            char *slash = strrchr(name, '/');
            if (slash != NULL)
                *slash = 0;
        }
        char web[PATH_MAX];
        if (str_format(web, sizeof web, "%s/web", name) == OK && is_directory(web))
            return mem_strdup(web);
    }
    return is_directory(INSTALLED) ? mem_strdup(INSTALLED) : NULL;
}
