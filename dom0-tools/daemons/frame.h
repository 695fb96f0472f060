/* SPDX-License-Identifier: MIT */
/* What daemons have in common: an end by signal; those without options also help, and one at a
 * time. */
#ifndef DOM0_TOOLS_DAEMONS_FRAME_H
#define DOM0_TOOLS_DAEMONS_FRAME_H

#define RUN_DIRECTORY "/run/paravane"

struct frame {
    const char *program;
    const char *purpose;   /* a sentence for --help, without its end */
    const char *lock_file; /* held while it runs; the kernel lets go when it dies */
    int (*run)(void);      /* until the end; gives the exit status */
};

/* The whole of main(): the program's exit status. */
int frame_main(const struct frame *frame, int argc, char **argv);

/*
 * Blocks SIGTERM and SIGINT; a descriptor that one of them makes readable, and does not block, or
 * -1 with errno.  SIGPIPE is ignored.
 */
int frame_open_signals(void);

#endif
