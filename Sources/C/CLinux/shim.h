#pragma once
// What Glibc's Swift overlay leaves out.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

// No header that brings sys/select.h (unistd.h, sys/random.h, sys/socket.h): fd_set looks different
// with _GNU_SOURCE, and Swift refuses to have it twice. So these are declared here.
extern int accept4(int, void *, unsigned *, int);
extern long syscall(long, ...);
extern int posix_spawn_file_actions_addchdir_np(void *, const char *);
extern int posix_spawn_file_actions_addclosefrom_np(void *, int);

// prctl is variadic, which Swift does not import.
static inline int shim_set_thread_name(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

// Ends this process when its parent dies.
static inline int shim_die_with_parent(int signal) {
    return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
}

// accept4 is a GNU extension, which Glibc's overlay does not show. `address` is a sockaddr.
static inline int shim_accept(int listener, void *address, unsigned *size, int flags) {
    return accept4(listener, address, size, flags);
}

// glibc 2.36 has wrappers for these, but not in a header that Swift reads.
static inline int shim_pidfd_open(int process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

static inline int shim_pidfd_send_signal(int descriptor, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, (void *)0, 0);
}

// Both `actions` are a posix_spawn_file_actions_t.
static inline int shim_spawn_in_folder(void *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

static inline int shim_spawn_closing_from(void *actions, int descriptor) {
    return posix_spawn_file_actions_addclosefrom_np(actions, descriptor);
}

// How wrong the kernel's clock may be: -1 if it may not be asked. <sys/timex.h> brings sys/select.h,
// so the field is taken by its place: of its words the fourth is maxerror.
static inline int shim_clock_error(long *microseconds) {
    long words[32] = {0};
    int state = (int)syscall(SYS_adjtimex, words);
    *microseconds = words[3];
    return state;
}
