/*
 * measure [-u MOUNT] RESULT PROGRAM ARGUMENT...: runs a program and writes its time in ns and its peak memory in KiB.
 *
 * A tiny program of its own, since ru_maxrss of a child starts with the peak of who made it. The peak is that of the
 * program or of a process it has waited for. -u hides a mount (in a mount namespace of its own, before the time runs).
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "-u")) {
        if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || umount2(argv[2], MNT_DETACH))
            err(2, "hide %s", argv[2]);
        argv += 2, argc -= 2;
    }
    if (argc < 3) errx(2, "usage: measure [-u MOUNT] RESULT PROGRAM ARGUMENT...");
    FILE *result = fopen(argv[1], "we");
    if (!result) err(2, "open %s", argv[1]);
    long long start = now();
    pid_t pid = vfork();
    if (pid < 0) err(2, "vfork");
    if (!pid) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(pid, &status, 0, &usage) != pid) err(2, "wait4");
    fprintf(result, "%lld %ld\n", now() - start, usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
