/* From a C function to the Python function of a name, and from there to C callbacks: arguments, results, errors. */
#include "embed.h"

#include "bridge.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

typedef struct {
    LogosCallback function;
    void *user_data;
} Callback;

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
    PyObject *text = PyObject_CallMethod(logos_bridge, "failed", "sO", function, value != NULL ? value : Py_None);
    char *copy = text != NULL ? to_c(text) : NULL;
    if (copy == NULL)
        PyErr_Print();
    Thread *thread = logos_this_thread();
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
    if (!logos_enter(&visit))
        return NULL;
    Thread *thread = logos_this_thread();
    char *copy = thread != NULL && thread->error != NULL ? strdup(thread->error) : NULL;
    logos_leave(&visit);
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
    logos_run_callback(message, callback->function, result, callback->user_data);
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
    PyObject *callable = arguments != NULL ? PyObject_GetAttrString(logos_functions, function) : NULL;
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
    if (!logos_enter(&visit))
        return 0;
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    int done = result != NULL;
    if (!done)
        failed(function);
    Py_XDECREF(result);
    logos_leave(&visit);
    return done;
}

int logos_number(const char *function, int failure, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!logos_enter(&visit))
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
    logos_leave(&visit);
    return number;
}

char *logos_text(const char *function, const char *kinds, ...)
{
    Visit visit;
    va_list list;
    if (!logos_enter(&visit))
        return NULL;
    va_start(list, kinds);
    PyObject *result = call(function, kinds, &list);
    va_end(list);
    PyObject *text = result != NULL ? PyObject_CallMethod(logos_bridge, "as_text", "O", result) : NULL;
    char *copy = text != NULL ? to_c(text) : NULL;
    if (copy == NULL)
        failed(function);
    Py_XDECREF(text);
    Py_XDECREF(result);
    logos_leave(&visit);
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
    if (!logos_enter(&visit))
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
    logos_leave(&visit);
    return names;
}

void logos_set_arguments(int argc, char **argv)
{
    Visit visit;
    if (argc <= 0 || argv == NULL || argv[0] == NULL || !logos_enter(&visit))
        return;
    PyObject *arguments = logos_started_here ? PyList_New(0) : NULL; /* a Python program has its own */
    bool complete = arguments != NULL;
    for (int index = 0; complete && index < argc && argv[index] != NULL; index++) {
        PyObject *text = to_python(argv[index]);
        complete = text != NULL && PyList_Append(arguments, text) == 0;
        Py_XDECREF(text);
    }
    if (complete && PySys_SetObject("argv", arguments) != 0)
        complete = false;
    if (logos_started_here && !complete)
        failed("initialize");
    Py_XDECREF(arguments);
    logos_leave(&visit);
}

void logos_take_environment(void)
{
    Visit visit;
    if (!logos_enter(&visit))
        return;
    PyObject *entries = PyList_New(0);
    bool complete = entries != NULL;
    for (char **each = environ; complete && each != NULL && *each != NULL; each++) {
        PyObject *entry = PyBytes_FromString(*each);
        complete = entry != NULL && PyList_Append(entries, entry) == 0;
        Py_XDECREF(entry);
    }
    PyObject *result = complete ? PyObject_CallMethod(logos_bridge, "take_environment", "O", entries) : NULL;
    if (result == NULL)
        failed("start");
    Py_XDECREF(result);
    Py_XDECREF(entries);
    logos_leave(&visit);
}
