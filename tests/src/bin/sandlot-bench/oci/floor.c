/*
 * floor LOWER SCRATCH NAME CGROUP...: the least that a start with cgroups and an overlay takes, without a check.
 *
 * Makes the group NAME in every given cgroup folder, clones with the namespaces that the runtimes use, on version 2 into
 * the group, on version 1 the child moves itself there; it mounts the overlay, makes it the root and runs /true. Then waits
 * and removes the groups.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* On version 1 a new cpuset takes no process before it has processors and memory nodes. */
static void copy(const char *from, const char *to, const char *file) {
    char path[4096], value[256];
    snprintf(path, sizeof path, "%s/%s", from, file);
    int source = open(path, O_RDONLY | O_CLOEXEC);
    if (source < 0) return;
    ssize_t length = read(source, value, sizeof value);
    close(source);
    snprintf(path, sizeof path, "%s/%s", to, file);
    int target = open(path, O_WRONLY | O_CLOEXEC);
    if (target < 0 || length <= 0 || write(target, value, length) != length) err(2, "write %s", path);
    close(target);
}

static int has_tasks(const char *group) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tasks", group);
    return access(path, F_OK) == 0;
}

/* A thread that moves itself needs no lock, unlike one that moves another. */
static void join(const char *group) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tasks", group);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "0", 1) != 1) err(3, "write %s", path);
    close(file);
}

static void child(const char *lower, const char *scratch) {
    char options[4096], root[2048];
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, scratch, scratch);
    snprintf(root, sizeof root, "%s/merged", scratch);
    if (unshare(CLONE_NEWCGROUP) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) err(3, "unshare");
    if (mount("overlay", root, "overlay", 0, options)) err(3, "mount overlay %s", options);
    if (chdir(root) || mount("proc", "proc", "proc", 0, NULL)) err(3, "mount proc");
    if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH)) err(3, "pivot_root");
    char *const argv[] = {"/true", NULL}, *const envp[] = {NULL};
    execve("/true", argv, envp);
    err(3, "exec /true");
}

int main(int argc, char **argv) {
    if (argc < 4) errx(2, "usage: floor LOWER SCRATCH NAME CGROUP...");
    static char groups[32][2048];
    int count = argc - 4 < 32 ? argc - 4 : 32, status;
    struct clone_args how = {.flags = SPACES, .exit_signal = SIGCHLD};
    for (int i = 0; i < count; i++) {
        snprintf(groups[i], sizeof groups[i], "%s/%s", argv[i + 4], argv[3]);
        if (mkdir(groups[i], 0755)) err(2, "mkdir %s", groups[i]);
        copy(argv[i + 4], groups[i], "cpuset.cpus");
        copy(argv[i + 4], groups[i], "cpuset.mems");
        if (has_tasks(groups[i])) continue;
        how.flags |= CLONE_INTO_CGROUP;
        how.cgroup = open(groups[i], O_PATH | O_CLOEXEC);
    }
    pid_t pid = syscall(SYS_clone3, &how, sizeof how);
    if (pid < 0) err(2, "clone");
    if (!pid) {
        for (int i = 0; i < count; i++)
            if (has_tasks(groups[i])) join(groups[i]);
        child(argv[1], argv[2]);
    }
    if (waitpid(pid, &status, 0) != pid) err(2, "wait");
    for (int i = 0; i < count; i++)
        if (rmdir(groups[i])) err(2, "rmdir %s", groups[i]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
