// Preloaded into a process: its writes to files of one directory fail, or kill it, at a chosen call; or all of them
// are traced, so that what a disk may hold after a loss of power can be made from the trace.
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

static int trace = -1;

// One line of the trace: what was done to which file, and with which bytes.
static void note(char what, const char* path, const void* bytes, uint64_t n, uint64_t offset) {
  if (trace < 0) return;
  struct __attribute__((packed)) {
    char what;
    uint32_t path_bytes;
    uint64_t offset, bytes;
  } head = {what, (uint32_t)strlen(path), offset, bytes == NULL ? 0 : n};
  char* line = malloc(sizeof head + head.path_bytes + head.bytes);
  memcpy(line, &head, sizeof head);
  memcpy(line + sizeof head, path, head.path_bytes);
  if (head.bytes > 0) memcpy(line + sizeof head + head.path_bytes, bytes, head.bytes);
  const ssize_t done = ((ssize_t (*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write"))(
      trace, line, sizeof head + head.path_bytes + head.bytes);
  if (done < 0) abort();
  free(line);
}

// From now on what changes files below `path` is appended to the file `to`.
void faults_trace(const char* path, const char* to) {
  strncpy(directory, path, sizeof directory - 1);
  trace = ((int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open"))(to, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

// A step was acknowledged.
void faults_acknowledged(void) { note('A', "", NULL, 0, 0); }

static int below(const char* path) { return directory[0] != 0 && strncmp(path, directory, strlen(directory)) == 0; }

static int named(int fd, char* path) {
  char link[64];
  if (directory[0] == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, PATH_MAX - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

static int ours(int fd, char what, const void* bytes, uint64_t n, off_t offset) {
  char path[PATH_MAX];
  if (!named(fd, path)) return 0;
  note(what, path, bytes, n, (uint64_t)(offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset));
  return 1;
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

#define WRITING(offset, call, half)                     \
  do {                                                  \
    if (!turn(ours(fd, 'W', from, n, offset), 0)) return call; \
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

ssize_t write(int fd, const void* from, size_t n) {
  WRITING(-1, REAL(write)(fd, from, n), REAL(write)(fd, from, n / 2));
}
ssize_t pwrite(int fd, const void* from, size_t n, off_t to) {
  WRITING(to, REAL(pwrite)(fd, from, n, to), REAL(pwrite)(fd, from, n / 2, to));
}
ssize_t pwrite64(int fd, const void* from, size_t n, off64_t to) {
  WRITING(to, REAL(pwrite64)(fd, from, n, to), REAL(pwrite64)(fd, from, n / 2, to));
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

static int names(char what, const char* path, const char* to) {
  if (!below(path)) return 0;
  note(what, path, to, to == NULL ? 0 : strlen(to), 0);
  return 1;
}

int fsync(int fd) { CHANGING(ours(fd, 'S', NULL, 0, 0), REAL(fsync)(fd)); }
int fdatasync(int fd) { CHANGING(ours(fd, 'S', NULL, 0, 0), REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t n) { CHANGING(ours(fd, 'T', NULL, 0, n), REAL(ftruncate)(fd, n)); }
int ftruncate64(int fd, off64_t n) { CHANGING(ours(fd, 'T', NULL, 0, n), REAL(ftruncate64)(fd, n)); }

int rename(const char* from, const char* to) { CHANGING(names('R', from, to), REAL(rename)(from, to)); }
int unlink(const char* path) { CHANGING(names('U', path, NULL), REAL(unlink)(path)); }

#define OPENING(name)                                                              \
  int name(const char* path, int flags, ...) {                                     \
    va_list more;                                                                  \
    va_start(more, flags);                                                         \
    const mode_t mode = (mode_t)va_arg(more, unsigned);                            \
    va_end(more);                                                                  \
    const int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;  \
    if (kind == READ_ONLY && writes && below(path)) return errno = EROFS, -1;      \
    if (flags & O_CREAT) names('C', path, NULL);                                   \
    return REAL(name)(path, flags, mode);                                          \
  }

OPENING(open)
OPENING(open64)
