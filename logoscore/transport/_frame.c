/* Frames in C, made and taken apart: what frame.py says, which has the drawing, the rules, and the same functions in Python.
 *
 * In Python these are formats that are interpreted, slices, and what is made only to be thrown away. A call that comes after a
 * pause, with everything out of the caches, pays for each line of code that it passes.
 *
 * Whatever is given here may come from a hostile peer. It is a private copy, and each length is compared with what is there.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum {
    CODEC = 1, /* where the fields of a header begin; the kind is the first */
    FLAGS = 2,
    NAME_LENGTH = 4,
    CALL_ID = 8,
    DEADLINE = 16,
    TOKEN = 24,
    HEADER_SIZE = 40,
    START_SIZE = CALL_ID,
    TOKEN_SIZE = HEADER_SIZE - TOKEN,
    VIEW_FROM = 2048,
};

/* Of frame.py: what does the same for messages that are long, or of a class of ours. */
static PyObject *name_and_payload_in_python, *plain_payload_in_python;
static PyObject *struct_error;

static void put(char *place, unsigned long long value, size_t size)
{
    for (size_t i = 0; i < size; i++, value >>= 8)
        place[i] = (char)(value & 0xff);
}

static unsigned long long get(const char *place, size_t size)
{
    unsigned long long value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | (unsigned char)place[i];
    return value;
}

static int takes(const char *function, Py_ssize_t count, int wanted)
{
    if (count == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "%s() takes %d arguments, not %zd", function, wanted, count);
    return 0;
}

/* --- made ------------------------------------------------------------------------------------------------------------- */

/* 0, or -1 with an error set. */
static int number(PyObject *object, unsigned long long most, const char *what, unsigned long long *value)
{
    *value = PyLong_AsUnsignedLongLong(object);
    if (*value == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    if (*value <= most)
        return 0;
    PyErr_Format(PyExc_OverflowError, "a frame's %s is at most %llu, not %llu", what, most, *value);
    return -1;
}

static PyObject *make_frame(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    unsigned long long kind, codec, flags, call_id, deadline;
    if (!takes("make_frame", count, 8) || number(args[0], UINT8_MAX, "kind", &kind) < 0 ||
        number(args[1], UINT8_MAX, "codec", &codec) < 0 || number(args[2], UINT16_MAX, "flags", &flags) < 0 ||
        number(args[3], UINT64_MAX, "call id", &call_id) < 0 || number(args[4], UINT64_MAX, "deadline", &deadline) < 0)
        return NULL;
    char *token, *head;
    Py_ssize_t token_size, name_size, head_size;
    if (PyBytes_AsStringAndSize(args[5], &token, &token_size) < 0)
        return NULL;
    const char *name = PyUnicode_AsUTF8AndSize(args[6], &name_size);
    if (name == NULL || PyBytes_AsStringAndSize(args[7], &head, &head_size) < 0)
        return NULL;
    if (token_size != TOKEN_SIZE)
        return PyErr_Format(PyExc_ValueError, "a frame's token has %d bytes, not %zd", TOKEN_SIZE, token_size);
    if ((uint64_t)name_size > UINT32_MAX || head_size > PY_SSIZE_T_MAX - HEADER_SIZE - name_size)
        return PyErr_Format(PyExc_OverflowError, "a frame has no room for %zd bytes of name and %zd of payload", name_size,
                            head_size);
    PyObject *frame = PyBytes_FromStringAndSize(NULL, HEADER_SIZE + name_size + head_size);
    if (frame == NULL)
        return NULL;
    char *start = PyBytes_AsString(frame);
    put(start, kind, 1);
    put(start + CODEC, codec, 1);
    put(start + FLAGS, flags, 2);
    put(start + NAME_LENGTH, (unsigned long long)name_size, 4);
    put(start + CALL_ID, call_id, 8);
    put(start + DEADLINE, deadline, 8);
    memcpy(start + TOKEN, token, TOKEN_SIZE);
    memcpy(start + HEADER_SIZE, name, (size_t)name_size);
    memcpy(start + HEADER_SIZE + name_size, head, (size_t)head_size);
    return frame;
}

/* --- taken apart ------------------------------------------------------------------------------------------------------ */

static PyObject *unpack_header(PyObject *module, PyObject *frame)
{
    (void)module;
    char *start;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(frame, &start, &size) < 0)
        return NULL;
    if (size < HEADER_SIZE)
        return PyErr_Format(struct_error, "a frame has at least %d bytes, not %zd", HEADER_SIZE, size);
    PyObject *fields[] = {
        PyLong_FromLong((long)get(start, 1)),
        PyLong_FromLong((long)get(start + CODEC, 1)),
        PyLong_FromLong((long)get(start + FLAGS, 2)),
        PyLong_FromUnsignedLongLong(get(start + NAME_LENGTH, 4)),
        PyLong_FromUnsignedLongLong(get(start + CALL_ID, 8)),
        PyLong_FromUnsignedLongLong(get(start + DEADLINE, 8)),
        PyBytes_FromStringAndSize(start + TOKEN, TOKEN_SIZE),
    };
    enum { COUNT = sizeof fields / sizeof fields[0] };
    PyObject *header = PyTuple_New(COUNT);
    for (Py_ssize_t i = 0; i < COUNT; i++)
        if (header == NULL || fields[i] == NULL || PyTuple_SetItem(header, i, Py_NewRef(fields[i])) < 0)
            Py_CLEAR(header);
    for (Py_ssize_t i = 0; i < COUNT; i++)
        Py_XDECREF(fields[i]);
    return header;
}

static PyObject *name_and_payload(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (!takes("name_and_payload", count, 2))
        return NULL;
    unsigned long long length;
    char *start;
    Py_ssize_t size;
    if (number(args[1], UINT32_MAX, "length of the name", &length) < 0 || PyBytes_AsStringAndSize(args[0], &start, &size) < 0)
        return NULL;
    if (!PyBytes_CheckExact(args[0]) || size >= VIEW_FROM || size < HEADER_SIZE)
        return PyObject_CallFunctionObjArgs(name_and_payload_in_python, args[0], args[1], NULL);
    Py_ssize_t rest = size - HEADER_SIZE, name_size = length < (unsigned long long)rest ? (Py_ssize_t)length : rest;
    PyObject *name = PyBytes_FromStringAndSize(start + HEADER_SIZE, name_size);
    PyObject *payload = PyBytes_FromStringAndSize(start + HEADER_SIZE + name_size, rest - name_size);
    PyObject *both = name == NULL || payload == NULL ? NULL : PyTuple_Pack(2, name, payload);
    Py_XDECREF(name);
    Py_XDECREF(payload);
    return both;
}

static PyObject *call_id_of(PyObject *module, PyObject *frame)
{
    (void)module;
    char *start;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(frame, &start, &size) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(size < HEADER_SIZE ? 0 : get(start + CALL_ID, 8));
}

static PyObject *plain_payload(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    char *frame, *start;
    Py_ssize_t size, start_size;
    if (!takes("plain_payload", count, 2) || PyBytes_AsStringAndSize(args[0], &frame, &size) < 0 ||
        PyBytes_AsStringAndSize(args[1], &start, &start_size) < 0)
        return NULL;
    if (!PyBytes_CheckExact(args[0]) || size >= VIEW_FROM || size < HEADER_SIZE || start_size != START_SIZE)
        return PyObject_CallFunctionObjArgs(plain_payload_in_python, args[0], args[1], NULL);
    if (memcmp(frame, start, START_SIZE) != 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(frame + HEADER_SIZE, size - HEADER_SIZE);
}

/* --- the module ------------------------------------------------------------------------------------------------------- */

#define FAST(function) {#function, (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL}

static PyMethodDef methods[] = {
    FAST(make_frame),
    {"unpack_header", unpack_header, METH_O, NULL},
    FAST(name_and_payload),
    {"call_id_of", call_id_of, METH_O, NULL},
    FAST(plain_payload),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_frame", NULL, -1, methods, NULL, NULL, NULL, NULL};

static PyObject *attribute(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return value;
}

PyMODINIT_FUNC PyInit__frame(void)
{
    const char *frame = "logoscore.transport.frame";
    if ((struct_error = attribute("struct", "error")) == NULL ||
        (name_and_payload_in_python = attribute(frame, "name_and_payload_in_python")) == NULL ||
        (plain_payload_in_python = attribute(frame, "plain_payload_in_python")) == NULL)
        return NULL;
    return PyModule_Create(&definition);
}
