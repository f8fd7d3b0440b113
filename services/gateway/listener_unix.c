/* SPDX-License-Identifier: Apache-2.0 */
/* See listener_unix.h. */
#include "services/gateway/listener_unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

bool
listener_unix_parse_mode(const char *text, unsigned *mode)
{
    size_t len = strlen(text);
    unsigned value = 0;
    if (len < 3 || len > 4 || (len == 4 && text[0] != '0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '7')
            return false;
        value = value << 3 | (unsigned)(*text - '0');
    }
    *mode = value;
    return true;
}

/* Without waiting: a listener whose queue is full is one, too. */
static bool
somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool is_refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                      errno == ECONNREFUSED;
    close(fd);
    return !is_refused;
}

static enum err
make_room(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT ? OK : ERR_IO;
    if (!S_ISSOCK(st.st_mode) || somebody_listens(address)) {
        errno = EADDRINUSE;
        return ERR_EXISTS;
    }
    return unlink(address->sun_path) == 0 || errno == ENOENT ? OK : ERR_IO;
}

/* Until listen nobody can connect, so nobody comes in before the permissions are right. */
static bool
open_at(int fd, const struct sockaddr_un *address, unsigned mode, struct stat *st)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return false;
    if (chmod(address->sun_path, (mode_t)mode) == 0 && lstat(address->sun_path, st) == 0 &&
        listen(fd, BACKLOG) == 0)
        return true;
    int number = errno;
    (void)unlink(address->sun_path);
    errno = number;
    return false;
}

enum err
listener_unix_open(const char *path, unsigned mode, struct listener_unix *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    size_t len = strlen(path);
    if (len == 0 || len > LISTENER_UNIX_PATH_MAX) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    memcpy(address.sun_path, path, len);
    enum err err = make_room(&address);
    if (err != OK)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    if (!open_at(fd, &address, mode, &st)) {
        int number = errno;
        close(fd);
        errno = number;
        return ERR_IO;
    }
    *out = (struct listener_unix){
        .path = path, .device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino, .fd = fd};
    return OK;
}

void
listener_unix_release(struct listener_unix *listener)
{
    if (listener->path != NULL && listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

void
listener_unix_remove(struct listener_unix *listener)
{
    struct stat st;
    if (listener->path == NULL)
        return;
    listener_unix_release(listener);
    if (lstat(listener->path, &st) == 0 && (uint64_t)st.st_dev == listener->device &&
        (uint64_t)st.st_ino == listener->inode)
        (void)unlink(listener->path);
    listener->path = NULL;
}
