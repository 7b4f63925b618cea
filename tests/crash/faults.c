// Preloaded into a process: its writes to files of one directory fail, or kill it, at a chosen call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { NONE, KILL_BEFORE, KILL_AFTER, TORN, DISK_FULL, SYNC_FAILS, READ_ONLY };

static char directory[PATH_MAX];
static long calls, at;
static int kind;

// From now on: `kind` happens at the `at`-th call that changes a file below `path` (counted from 1).
void faults_arm(const char* path, long when, int what) {
  strncpy(directory, path, sizeof directory - 1);
  calls = 0;
  at = when;
  kind = what;
}

// How many such calls there were.
long faults_count(void) { return calls; }

static int below(const char* path) { return directory[0] != 0 && strncmp(path, directory, strlen(directory)) == 0; }

static int ours(int fd) {
  char link[64], path[PATH_MAX];
  if (directory[0] == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

static void die(void) { kill(getpid(), SIGKILL); }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// Whether it is the turn of the call, which is counted. A disk that is full stays full; the first sync from the
// chosen call on fails, and later ones do not, as systems have it.
static int turn(int is_ours, int syncs) {
  static int failed;
  if (!is_ours) return 0;
  const long now = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (kind == DISK_FULL) return now >= at;
  if (kind == SYNC_FAILS) return syncs && now >= at && failed++ == 0;
  return now == at;
}

#define WRITING(call, half)                             \
  do {                                                  \
    if (!turn(ours(fd), 0)) return call;                      \
    if (kind == KILL_BEFORE) die();                     \
    if (kind == TORN) {                                 \
      half;                                             \
      die();                                            \
    }                                                   \
    if (kind == DISK_FULL) return errno = ENOSPC, -1;   \
    const ssize_t result = call;                        \
    if (kind == KILL_AFTER) die();                      \
    return result;                                      \
  } while (0)

ssize_t write(int fd, const void* from, size_t n) { WRITING(REAL(write)(fd, from, n), REAL(write)(fd, from, n / 2)); }
ssize_t pwrite(int fd, const void* from, size_t n, off_t to) {
  WRITING(REAL(pwrite)(fd, from, n, to), REAL(pwrite)(fd, from, n / 2, to));
}
ssize_t pwrite64(int fd, const void* from, size_t n, off64_t to) {
  WRITING(REAL(pwrite64)(fd, from, n, to), REAL(pwrite64)(fd, from, n / 2, to));
}

#define CHANGING(is_ours, call)                                             \
  do {                                                                      \
    if (!turn(is_ours, 1)) return call;                                     \
    if (kind == KILL_BEFORE || kind == TORN) die();                         \
    if (kind == SYNC_FAILS) return errno = EIO, -1;                         \
    const int result = call;                                                \
    if (kind == KILL_AFTER) die();                                          \
    return result;                                                          \
  } while (0)

int fsync(int fd) { CHANGING(ours(fd), REAL(fsync)(fd)); }
int fdatasync(int fd) { CHANGING(ours(fd), REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t n) { CHANGING(ours(fd), REAL(ftruncate)(fd, n)); }
int ftruncate64(int fd, off64_t n) { CHANGING(ours(fd), REAL(ftruncate64)(fd, n)); }

int rename(const char* from, const char* to) { CHANGING(below(to), REAL(rename)(from, to)); }

#define OPENING(name)                                                              \
  int name(const char* path, int flags, ...) {                                     \
    va_list more;                                                                  \
    va_start(more, flags);                                                         \
    const mode_t mode = (mode_t)va_arg(more, unsigned);                            \
    va_end(more);                                                                  \
    const int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;  \
    if (kind == READ_ONLY && writes && below(path)) return errno = EROFS, -1;      \
    return REAL(name)(path, flags, mode);                                          \
  }

OPENING(open)
OPENING(open64)
