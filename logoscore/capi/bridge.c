/* The way from C into the embedded Python, and back for callbacks.
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
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "bridge.h"
#include "logos_core.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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

typedef struct {
    LogosCallback function;
    void *user_data;
} Callback;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static PyObject *functions; /* logoscore.functions; NULL: Python could not be started */
static PyObject *bridge;    /* logoscore.capi.bridge */
static bool started_here;
static _Thread_local Visit *visiting;

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
    bridge = PyImport_ImportModule("logoscore.capi.bridge");
    if (bridge != NULL)
        functions = PyImport_ImportModule("logoscore.functions");
    if (functions == NULL)
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
    keep_loaded((void *)&started_here, RTLD_LOCAL);
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
    started_here = true;
    import_signals();
    import_modules();
    PyEval_SaveThread();
}

/* --- threads and signals ----------------------------------------------------------------------------------------- */

static Thread *this_thread(void)
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
    PyGILState_Release(PyGILState_LOCKED); /* the one of this_thread() */
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

static bool enter(Visit *visit)
{
    pthread_once(&once, start);
    if (functions == NULL)
        return false;
    visit->sigpipe_waits = sigpipe_is_pending();
    block_sigpipe(&visit->mask);
    visit->gil = PyGILState_Ensure();
    visit->outer = visiting;
    visiting = visit;
    (void)this_thread();
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

static void leave(const Visit *visit)
{
    visiting = visit->outer;
    PyGILState_Release(visit->gil);
    restore_signals(visit);
}

/* --- texts ------------------------------------------------------------------------------------------------------- */

/* Not every C string is UTF-8: other bytes come back as they went. */
static PyObject *to_python(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

static PyObject *to_bytes(PyObject *text)
{
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
    if (bytes == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    }
    return bytes;
}

static char *to_c(PyObject *text)
{
    PyObject *bytes = to_bytes(text);
    char *copy = bytes != NULL ? strdup(PyBytes_AS_STRING(bytes)) : NULL;
    if (bytes != NULL && copy == NULL)
        PyErr_NoMemory();
    Py_XDECREF(bytes);
    return copy;
}

static PyObject *take_exception(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Tells the log of the exception that is set, and keeps its text for logos_last_error(). */
static void failed(const char *function)
{
    PyObject *value = take_exception();
    PyObject *text = PyObject_CallMethod(bridge, "failed", "sO", function, value != NULL ? value : Py_None);
    char *copy = text != NULL ? to_c(text) : NULL;
    if (copy == NULL)
        PyErr_Print();
    Thread *thread = this_thread();
    if (thread != NULL) {
        free(thread->error);
        thread->error = copy;
    } else {
        free(copy);
    }
    Py_XDECREF(text);
    Py_XDECREF(value);
}

char *logos_last_error(void)
{
    Visit visit;
    if (!enter(&visit))
        return NULL;
    Thread *thread = this_thread();
    char *copy = thread != NULL && thread->error != NULL ? strdup(thread->error) : NULL;
    leave(&visit);
    return copy;
}

/* --- callbacks --------------------------------------------------------------------------------------------------- */

static PyObject *deliver(PyObject *capsule, PyObject *arguments)
{
    int result;
    PyObject *text;
    Callback *callback = PyCapsule_GetPointer(capsule, NULL);
    if (callback == NULL || !PyArg_ParseTuple(arguments, "iU", &result, &text))
        return NULL;
    PyObject *message = to_bytes(text);
    if (message == NULL)
        return NULL;
    const Visit *visit = visiting; /* NULL where a Python program pumps */
    PyThreadState *state = PyEval_SaveThread();
    if (visit != NULL)
        restore_signals(visit);
    callback->function(result, PyBytes_AS_STRING(message), callback->user_data);
    if (visit != NULL)
        block_sigpipe(NULL);
    PyEval_RestoreThread(state);
    Py_DECREF(message);
    Py_RETURN_NONE;
}

static PyMethodDef deliver_method = {"deliver", deliver, METH_VARARGS, "Calls the C function of the capsule."};

static void forget(PyObject *capsule)
{
    free(PyCapsule_GetPointer(capsule, NULL));
}

/* A Python function that calls the C one. */
static PyObject *wrap(LogosCallback function, void *user_data)
{
    if (function == NULL) {
        PyErr_SetString(PyExc_TypeError, "the callback is NULL");
        return NULL;
    }
    Callback *callback = malloc(sizeof *callback);
    if (callback == NULL)
        return PyErr_NoMemory();
    callback->function = function;
    callback->user_data = user_data;
    PyObject *capsule = PyCapsule_New(callback, NULL, forget);
    if (capsule == NULL) {
        free(callback);
        return NULL;
    }
    PyObject *wrapped = PyCFunction_New(&deliver_method, capsule);
    Py_DECREF(capsule);
    return wrapped;
}

/* --- calling ----------------------------------------------------------------------------------------------------- */

static PyObject *text_or_none(const char *text, bool required, int position)
{
    if (text != NULL)
        return to_python(text);
    if (required) {
        PyErr_Format(PyExc_TypeError, "argument %d is NULL", position);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* `list` is a va_list *: a va_list itself cannot be handed on and used further. */
static PyObject *argument(char kind, int position, va_list *list)
{
    switch (kind) {
    case 's':
    case 'z':
        return text_or_none(va_arg(*list, const char *), kind == 's', position);
    case 'b':
        return PyBool_FromLong(va_arg(*list, int));
    case 'i':
        return PyLong_FromLong(va_arg(*list, int));
    default: {
        LogosCallback function = va_arg(*list, LogosCallback);
        return wrap(function, va_arg(*list, void *));
    }
    }
}

static PyObject *call(const char *function, const char *kinds, va_list *list)
{
    PyObject *arguments = PyTuple_New((Py_ssize_t)strlen(kinds));
    PyObject *callable = arguments != NULL ? PyObject_GetAttrString(functions, function) : NULL;
    bool complete = callable != NULL;
    for (int index = 0; complete && kinds[index] != '\0'; index++) {
        PyObject *value = argument(kinds[index], index + 1, list);
        complete = value != NULL;
        if (complete)
            PyTuple_SET_ITEM(arguments, index, value);
    }
    PyObject *result = complete ? PyObject_CallObject(callable, arguments) : NULL;
    Py_XDECREF(callable);
    Py_XDECREF(arguments);
    return result;
}

int logos_done(const char *function, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!enter(&visit))
        return 0;
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    int done = result != NULL;
    if (!done)
        failed(function);
    Py_XDECREF(result);
    leave(&visit);
    return done;
}

int logos_number(const char *function, int failure, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!enter(&visit))
        return failure;
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    int number = result != NULL ? (int)PyLong_AsLong(result) : failure;
    if (PyErr_Occurred()) {
        failed(function);
        number = failure;
    }
    Py_XDECREF(result);
    leave(&visit);
    return number;
}

char *logos_text(const char *function, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!enter(&visit))
        return NULL;
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    PyObject *text = result != NULL ? PyObject_CallMethod(bridge, "as_text", "O", result) : NULL;
    char *copy = text != NULL ? to_c(text) : NULL;
    if (copy == NULL)
        failed(function);
    Py_XDECREF(text);
    Py_XDECREF(result);
    leave(&visit);
    return copy;
}

/* A list that ends with NULL, each name and the list in memory of their own: free() of either is legal. */
static char **copy_names(PyObject *names)
{
    Py_ssize_t count = PyList_Size(names);
    char **copies = count >= 0 ? calloc((size_t)count + 1, sizeof *copies) : NULL;
    for (Py_ssize_t index = 0; copies != NULL && index < count; index++) {
        copies[index] = to_c(PyList_GetItem(names, index));
        if (copies[index] == NULL) {
            while (index > 0)
                free(copies[--index]);
            free(copies);
            return NULL;
        }
    }
    if (copies == NULL && !PyErr_Occurred())
        PyErr_NoMemory();
    return copies;
}

char **logos_names(const char *function, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!enter(&visit))
        return calloc(1, sizeof(char *));
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    char **names = result != NULL ? copy_names(result) : NULL;
    if (names == NULL) {
        failed(function);
        names = calloc(1, sizeof *names);
    }
    Py_XDECREF(result);
    leave(&visit);
    return names;
}

void logos_set_arguments(int argc, char **argv)
{
    Visit visit;
    if (argc <= 0 || argv == NULL || argv[0] == NULL || !enter(&visit))
        return;
    PyObject *arguments = started_here ? PyList_New(0) : NULL; /* a Python program has its own */
    bool complete = arguments != NULL;
    for (int index = 0; complete && index < argc && argv[index] != NULL; index++) {
        PyObject *text = to_python(argv[index]);
        complete = text != NULL && PyList_Append(arguments, text) == 0;
        Py_XDECREF(text);
    }
    if (complete && PySys_SetObject("argv", arguments) != 0)
        complete = false;
    if (started_here && !complete)
        failed("initialize");
    Py_XDECREF(arguments);
    leave(&visit);
}
