/*
 * oddfs BACKING MOUNTPOINT [-o ODDITY,...]: shows a directory through FUSE,
 * with the oddities that file systems of networks and of other machines have.
 * Runs in the foreground, as root, until it is unmounted.
 *
 *	seconds		times are whole seconds
 *	short		a read or write does no more than half of what is asked
 *	noreserve	no fallocate(2)
 *	delay=N		attributes are N seconds old, unless asked for anew
 *	names=N		names, and that there is none, are N seconds old
 *	nolink		no link(2)
 *	nolock		no fcntl(2) locks
 *	noctime		the time of the last change is that of the last write
 *	modes		each file has mode 755
 *	inodes		each mount has other inode numbers
 *	bare		no file has blocks, each has one link
 *	late		a full disk is not told before fsync(2) or close(2)
 *
 * None has O_TMPFILE, which libfuse does not know, or clones.  Locks are taken
 * on the backing file: so they hold under another mount of the directory, and
 * in the directory itself, as well.
 */
#include "odd.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

static const struct fuse_opt options[] = {
	{ "seconds", offsetof(struct oddfs, seconds), 1 },
	{ "short", offsetof(struct oddfs, halves), 1 },
	{ "noreserve", offsetof(struct oddfs, noreserve), 1 },
	{ "delay=%u", offsetof(struct oddfs, delay), 0 },
	{ "names=%u", offsetof(struct oddfs, names), 0 },
	{ "nolink", offsetof(struct oddfs, nolink), 1 },
	{ "nolock", offsetof(struct oddfs, nolock), 1 },
	{ "noctime", offsetof(struct oddfs, noctime), 1 },
	{ "modes", offsetof(struct oddfs, modes), 1 },
	{ "inodes", offsetof(struct oddfs, inodes), 1 },
	{ "bare", offsetof(struct oddfs, bare), 1 },
	{ "late", offsetof(struct oddfs, late), 1 },
	FUSE_OPT_END
};

static const struct fuse_lowlevel_ops operations = {
	.lookup = odd_lookup, .forget = odd_forget,
	.getattr = odd_getattr, .setattr = odd_setattr,
	.mknod = odd_mknod, .mkdir = odd_mkdir, .symlink = odd_symlink,
	.link = odd_link, .readlink = odd_readlink, .unlink = odd_unlink,
	.rmdir = odd_rmdir, .rename = odd_rename,
	.open = odd_open, .create = odd_create, .read = odd_read,
	.write = odd_write, .fsync = odd_fsync, .fallocate = odd_fallocate,
	.flush = odd_flush, .release = odd_release,
	.getlk = odd_getlk, .setlk = odd_setlk,
	.opendir = odd_opendir, .readdir = odd_readdir,
	.releasedir = odd_release, .statfs = odd_statfs,
};


static int
open_root(struct oddfs *fs, const char *path)
{
	struct node *root = &fs->root;
	struct stat st;

	if ((root->fd = open(path, O_PATH | O_DIRECTORY)) == -1 ||
	    fstatat(root->fd, "", &st, AT_EMPTY_PATH) == -1)
		return -1;
	root->dev = st.st_dev;
	root->ino = st.st_ino;
	fs->numbers = (uint64_t)time(NULL) << 20;
	root->number = fs->numbers++;
	return 0;
}

static int
serve(struct oddfs *fs, struct fuse_args *args, const char *mountpoint)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct fuse_session *se = fuse_session_new(args, &operations,
	    sizeof(operations), fs);
	int r = -1;

	if (config != NULL && se != NULL &&
	    fuse_set_signal_handlers(se) == 0 &&
	    fuse_session_mount(se, mountpoint) == 0) {
		r = fuse_session_loop_mt(se, config);
		fuse_session_unmount(se);
	}
	if (se != NULL)
		fuse_session_destroy(se);
	if (config != NULL)
		fuse_loop_cfg_destroy(config);
	return r;
}

int
main(int argc, char *argv[])
{
	struct oddfs fs = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int i, r;

	if (argc < 3 || open_root(&fs, argv[1]) == -1) {
		fprintf(stderr, "usage: oddfs BACKING MOUNTPOINT "
		    "[-o ODDITY,...]\n");
		return 2;
	}
	r = fuse_opt_add_arg(&args, "oddfs");
	for (i = 3; i < argc; i++)
		r |= fuse_opt_add_arg(&args, argv[i]);
	r |= fuse_opt_add_arg(&args,
	    "-oallow_other,default_permissions,fsname=oddfs,subtype=oddfs");
	(void)umask(0);
	if (r == 0 && (r = fuse_opt_parse(&args, &fs, options, NULL)) == 0)
		r = serve(&fs, &args, argv[2]);
	fuse_opt_free_args(&args);
	return r == 0 ? 0 : 1;
}
