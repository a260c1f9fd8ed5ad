"""Turn into the given command, as a process that the kernel kills when its starter dies (Linux only).

Usage: tether.py <pid of the starter> <command> [arguments]. A file of its own because the request to the
kernel must be made in the new process, and `preexec_fn` is not safe in a program that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>; survives exec

if __name__ == "__main__":
    starter, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != starter:  # it died before the request was made
        sys.exit(1)
    os.execvp(command[0], command)
