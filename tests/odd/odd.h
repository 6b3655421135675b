/*
 * What the parts of oddfs share: a node for each file that the kernel knows, a
 * handle for each that is open.
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE

#include <dirent.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROC_PATH = 40, BLOCK = 4096 };

/* A file that the kernel knows; its address is the number that it knows. */
struct node {
	struct node *next;
	int fd;			/* O_PATH */
	dev_t dev;
	ino_t ino;
	uint64_t number;	/* instead of ino: "inodes" */
	uint64_t lookups;	/* that were not forgotten */
	int error;		/* to be told: "late" */
};

/* An open file or directory. */
struct handle {
	int fd;
	DIR *dir;
	uint64_t owner;		/* of its lock, or 0 */
};

struct oddfs {
	pthread_mutex_t mutex;	/* of the list, and what changes in nodes */
	struct node root;	/* and the others, after it */
	uint64_t numbers;	/* the next one */
	/* the oddities: what the head of oddfs.c lists */
	unsigned seconds, halves, noreserve, nolink, nolock, noctime, modes,
	    inodes, bare, late, delay, names;
};

/* What the kernel's numbers stand for. */
struct oddfs *fs_of(fuse_req_t);
struct node *node_of(fuse_req_t, fuse_ino_t);
int fd_of(fuse_req_t, fuse_ino_t);
struct handle *handle_of(const struct fuse_file_info *);

/* The path of what is open as fd, for calls that take no O_PATH descriptor. */
void proc_path(int fd, char path[PROC_PATH]);

/* Replies with success, or with errno if r is -1. */
void reply(fuse_req_t, int r);

/* Finds a name: *e, for the kernel.  -1 with errno. */
int find_name(fuse_req_t, fuse_ino_t dir, const char *name,
    struct fuse_entry_param *e);

/* Between these two, what is made belongs to the process that asks. */
void begin_as_caller(fuse_req_t);
void end_as_caller(void);

/* The requests of the kernel: see <fuse_lowlevel.h>. */
void odd_lookup(fuse_req_t, fuse_ino_t, const char *);
void odd_forget(fuse_req_t, fuse_ino_t, uint64_t);
void odd_getattr(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void odd_setattr(fuse_req_t, fuse_ino_t, struct stat *, int,
    struct fuse_file_info *);
void odd_mknod(fuse_req_t, fuse_ino_t, const char *, mode_t, dev_t);
void odd_mkdir(fuse_req_t, fuse_ino_t, const char *, mode_t);
void odd_symlink(fuse_req_t, const char *, fuse_ino_t, const char *);
void odd_link(fuse_req_t, fuse_ino_t, fuse_ino_t, const char *);
void odd_readlink(fuse_req_t, fuse_ino_t);
void odd_unlink(fuse_req_t, fuse_ino_t, const char *);
void odd_rmdir(fuse_req_t, fuse_ino_t, const char *);
void odd_rename(fuse_req_t, fuse_ino_t, const char *, fuse_ino_t, const char *,
    unsigned);
void odd_open(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void odd_create(fuse_req_t, fuse_ino_t, const char *, mode_t,
    struct fuse_file_info *);
void odd_read(fuse_req_t, fuse_ino_t, size_t, off_t, struct fuse_file_info *);
void odd_write(fuse_req_t, fuse_ino_t, const char *, size_t, off_t,
    struct fuse_file_info *);
void odd_fsync(fuse_req_t, fuse_ino_t, int, struct fuse_file_info *);
void odd_fallocate(fuse_req_t, fuse_ino_t, int, off_t, off_t,
    struct fuse_file_info *);
void odd_getlk(fuse_req_t, fuse_ino_t, struct fuse_file_info *, struct flock *);
void odd_setlk(fuse_req_t, fuse_ino_t, struct fuse_file_info *, struct flock *,
    int);
void odd_flush(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void odd_release(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void odd_opendir(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void odd_readdir(fuse_req_t, fuse_ino_t, size_t, off_t,
    struct fuse_file_info *);
void odd_statfs(fuse_req_t, fuse_ino_t);
