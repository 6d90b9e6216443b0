/* The embedded Python, for bridge.c. */
#ifndef LOGOS_EMBED_H
#define LOGOS_EMBED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "logos_core.h"

#include <signal.h>
#include <stdbool.h>

/* One call from C into Python. */
typedef struct visit {
    struct visit *outer; /* the one that this is nested in, through a callback */
    PyGILState_STATE gil;
    sigset_t mask; /* the program's */
    bool sigpipe_waits;
} Visit;

/* What a thread that has called keeps until it ends. */
typedef struct {
    char *error;
} Thread;

extern PyObject *logos_functions; /* logoscore.functions; NULL: Python could not be started */
extern PyObject *logos_bridge;    /* logoscore.capi.bridge */
extern bool logos_started_here;   /* not by a Python program that has opened the library */

/* Start Python if nobody has, and take the GIL. False: there is no Python; then nothing is to be left. */
bool logos_enter(Visit *visit);
void logos_leave(const Visit *visit);

/* Inside of Python; NULL without memory. */
Thread *logos_this_thread(void);

/* Leave Python for a callback of the program, and come back. `message` is bytes. */
void logos_run_callback(PyObject *message, LogosCallback callback, int result, void *user_data);

#endif
