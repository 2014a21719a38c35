/* Preloaded into a process: counts the calls that change files below one folder, and stops or fails the k-th.
   Set by environment (FAULTS_ROOT) and at any time by faults_arm(). With FAULTS_TRACE every call is written down,
   so that the files a power loss would leave can be built from it. Linux and glibc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, KILL, FAIL };

static char root[PATH_MAX];
static long calls, at;
static int what, number, half, lasting, trace = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* Begin to count anew: the at-th call (0: none) is the one, and what happens to it: NOTHING, KILL, FAIL with number. */
void faults_arm(const char *folder, long which, int kind, int error, int part, int all, const char *log) {
    snprintf(root, sizeof root, "%s", folder);
    calls = 0, at = which, what = kind, number = error, half = part, lasting = all;
    if (trace >= 0) close(trace);
    trace = *log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
}

long faults_calls(void) {
    return calls;
}

static int inside(const char *path) {
    char full[PATH_MAX];
    if (!*root) return 0;
    if (path[0] != '/') {
        char here[PATH_MAX / 2];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(full, sizeof full, "%s/%s", here, path);
        path = full;
    }
    return strncmp(path, root, strlen(root)) == 0 && strcmp(path + strlen(path) - 4, "-shm") != 0;
}

static int path_of(int fd, char *path) {
    char link[40];
    if (!*root || fd == trace || fd < 3) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return path[0] == '/' && inside(path);
}

static ino_t inode(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static ino_t inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

/* One line: kind, inode, offset, length, path, second path; the data of a write follows it. */
static void note(const char *kind, ino_t node, long offset, long length, const char *a, const char *b, const void *data) {
    if (trace < 0) return;
    char line[2 * PATH_MAX + 100];
    int size = snprintf(line, sizeof line, "%s\t%lu\t%ld\t%ld\t%s\t%s\n", kind, (unsigned long)node, offset, length, a, b);
    if (REAL(write)(trace, line, size) < 0 || (data && REAL(write)(trace, data, length) < 0)) abort();
}

/* Count a call; -1 when it shall fail (errno is set). A write can come half through: *size is then what arrives. */
static int fault(size_t *size) {
    calls++;
    if (!at || !what || !(calls == at || (lasting && calls > at))) return 0;
    if (half && calls == at && size && *size > 1) {
        *size /= 2;
        return 1;
    }
    if (what == KILL) kill(getpid(), SIGKILL);
    errno = number;
    return -1;
}

static ssize_t halved(ssize_t done) {
    if (what == KILL) kill(getpid(), SIGKILL);
    return done; /* a short write: whoever goes on with the rest meets the fault, if it lasts */
}

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(write)(fd, data, size);
    int found = fault(&size);
    if (found < 0) return -1;
    long offset = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, size);
    if (done > 0) note("write", inode(fd), offset, done, path, "", data);
    return found ? halved(done) : done;
}

static ssize_t put(int fd, const void *data, size_t size, off64_t offset) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(pwrite64)(fd, data, size, offset);
    int found = fault(&size);
    if (found < 0) return -1;
    ssize_t done = REAL(pwrite64)(fd, data, size, offset);
    if (done > 0) note("write", inode(fd), offset, done, path, "", data);
    return found ? halved(done) : done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return put(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return put(fd, data, size, offset); }

static int flush(int fd, int (*call)(int)) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return call(fd);
    if (fault(NULL)) return -1;
    note("sync", inode(fd), 0, 0, path, "", NULL);
    return call(fd);
}

int fsync(int fd) { return flush(fd, REAL(fsync)); }
int fdatasync(int fd) { return flush(fd, REAL(fdatasync)); }

static int cut(int fd, off64_t size) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(ftruncate64)(fd, size);
    if (fault(NULL)) return -1;
    note("truncate", inode(fd), size, 0, path, "", NULL);
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }

int rename(const char *from, const char *to) {
    if (!inside(to)) return REAL(rename)(from, to);
    if (fault(NULL)) return -1;
    note("rename", inode_at(from), 0, 0, from, to, NULL);
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
    if (!inside(to)) return REAL(link)(from, to);
    if (fault(NULL)) return -1;
    note("link", inode_at(from), 0, 0, from, to, NULL);
    return REAL(link)(from, to);
}

int unlink(const char *path) {
    if (!inside(path)) return REAL(unlink)(path);
    if (fault(NULL)) return -1;
    note("unlink", inode_at(path), 0, 0, path, "", NULL);
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    if (!inside(path) || access(path, F_OK) == 0) return REAL(mkdir)(path, mode);
    if (fault(NULL)) return -1;
    int done = REAL(mkdir)(path, mode);
    if (!done) note("mkdir", inode_at(path), 0, 0, path, "", NULL);
    return done;
}

static int opened(int (*call)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    int fresh = inside(path) && (flags & O_CREAT) && access(path, F_OK) != 0;
    int emptied = !fresh && inside(path) && (flags & O_TRUNC);
    if ((fresh || emptied) && fault(NULL)) return -1;
    int fd = call(path, flags, mode);
    if (fd >= 0 && (fresh || emptied)) note(fresh ? "create" : "truncate", inode(fd), 0, 0, path, "", NULL);
    return fd;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened((int (*)(const char *, int, ...))real(#name), path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FAULTS_ROOT"), *which = getenv("FAULTS_AT"), *error = getenv("FAULTS_ERROR");
    if (folder)
        faults_arm(folder, which ? atol(which) : 0, error ? FAIL : KILL, error ? atoi(error) : 0, 0,
                   getenv("FAULTS_LASTING") != NULL, "");
}
