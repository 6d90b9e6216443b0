/* The embedded Python: started once, entered by any thread, left alone by signals.
 *
 * Rules
 * - The first call starts Python, unless the program is a Python itself, and nothing ends it: a thread of ours may be
 *   anywhere, and what was initialised once (msgspec, say) cannot be initialised again. So the library stays loaded
 *   after dlclose, and after another dlopen goes on where it was.
 * - Everything that lasts is in Python, so two copies of this file in one process share it.
 * - A thread that has called once keeps its Python thread state until it ends: making one costs more than a call.
 * - Signals are the program's: Python installs no handler. Writing to a host that has died would raise SIGPIPE, which
 *   kills a C program, so it is blocked while a thread is in here, and what has come of it is taken away.
 * - A callback runs without the GIL and with the program's signal mask: it is the program's code.
 */
#define _GNU_SOURCE /* dladdr, RTLD_NOLOAD */
#include "embed.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static _Thread_local Visit *visiting;
PyObject *logos_functions, *logos_bridge;
bool logos_started_here;

/* --- starting ---------------------------------------------------------------------------------------------------- */

/* Symbols of Python must be global, since its extension modules are not linked to it; and neither Python nor we may be
 * unloaded. Whatever file holds `symbol` is opened once more, for both. */
static void keep_loaded(void *symbol, int scope)
{
    Dl_info info;
    if (dladdr(symbol, &info) != 0 && info.dli_fname != NULL)
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE | scope);
}

static PyStatus initialize(void)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* whatever the program's locale is, texts are UTF-8 */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config); /* no environment, no signal handlers, the program's stdio as it is */
    /* The interpreter that built us: its virtual environment is found from there, and hosts are started with it. */
    status = PyConfig_SetBytesString(&config, &config.program_name, LOGOS_PYTHON);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.executable, LOGOS_PYTHON);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

static void import_modules(void)
{
    logos_bridge = PyImport_ImportModule("logoscore.capi.bridge");
    if (logos_bridge != NULL)
        logos_functions = PyImport_ImportModule("logoscore.functions");
    if (logos_functions == NULL)
        PyErr_Print();
}

/* Importing Python's signal module takes over SIGINT where nobody has, also in an interpreter that is to leave signals
 * alone. Done here, once, it is undone before the program can see it. */
static void import_signals(void)
{
    struct sigaction before;
    sigaction(SIGINT, NULL, &before);
    PyObject *module = PyImport_ImportModule("signal");
    sigaction(SIGINT, &before, NULL);
    if (module == NULL)
        PyErr_Print();
    Py_XDECREF(module);
}

static void thread_ends(void *data);

static void start(void)
{
    keep_loaded((void *)&logos_started_here, RTLD_LOCAL);
    keep_loaded((void *)&PyImport_ImportModule, RTLD_GLOBAL);
    if (pthread_key_create(&thread_key, thread_ends) != 0)
        return;
    if (Py_IsInitialized()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        import_modules();
        PyGILState_Release(gil);
        return;
    }
    PyStatus status = initialize();
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "liblogos_core: Python (%s) did not start: %s\n", LOGOS_PYTHON,
                status.err_msg != NULL ? status.err_msg : "it wanted to exit");
        return;
    }
    logos_started_here = true;
    import_signals();
    import_modules();
    PyEval_SaveThread();
}

/* --- threads and signals ----------------------------------------------------------------------------------------- */

Thread *logos_this_thread(void)
{
    Thread *thread = pthread_getspecific(thread_key);
    if (thread == NULL && (thread = calloc(1, sizeof *thread)) != NULL) {
        if (pthread_setspecific(thread_key, thread) != 0) {
            free(thread);
            return NULL;
        }
        (void)PyGILState_Ensure(); /* once more than it is released: keeps the thread state until thread_ends() */
    }
    return thread;
}

static void thread_ends(void *data)
{
    Thread *thread = data;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyGILState_Release(PyGILState_LOCKED); /* the one of logos_this_thread() */
    PyGILState_Release(gil);
    free(thread->error);
    free(thread);
}

static bool sigpipe_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void block_sigpipe(sigset_t *before)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

bool logos_enter(Visit *visit)
{
    pthread_once(&once, start);
    if (logos_functions == NULL)
        return false;
    visit->sigpipe_waits = sigpipe_is_pending();
    block_sigpipe(&visit->mask);
    visit->gil = PyGILState_Ensure();
    visit->outer = visiting;
    visiting = visit;
    (void)logos_this_thread();
    return true;
}

static void restore_signals(const Visit *visit)
{
    if (!visit->sigpipe_waits && sigpipe_is_pending()) {
        sigset_t only;
        int number;
        sigemptyset(&only);
        sigaddset(&only, SIGPIPE);
        sigwait(&only, &number);
    }
    pthread_sigmask(SIG_SETMASK, &visit->mask, NULL);
}

void logos_leave(const Visit *visit)
{
    visiting = visit->outer;
    PyGILState_Release(visit->gil);
    restore_signals(visit);
}

void logos_run_callback(PyObject *message, LogosCallback callback, int result, void *user_data)
{
    const Visit *visit = visiting; /* NULL where a Python program pumps */
    PyThreadState *state = PyEval_SaveThread();
    if (visit != NULL)
        restore_signals(visit);
    callback(result, PyBytes_AS_STRING(message), user_data);
    if (visit != NULL)
        block_sigpipe(NULL);
    PyEval_RestoreThread(state);
}
