/* The ring's two ends in C: what ring.py says, which has the rules, the drawing, and the same classes in Python.
 *
 * A record is written and read by one call each, of a hundred nanoseconds; in Python these are a third of a whole call from
 * one module to another. Nothing else is in here: no locks, no semaphores, no system calls. The GIL is kept throughout, but
 * for a longer look.
 *
 * Rules:
 *
 * - The other side writes to this memory at any moment, and may be hostile. Each word of it is loaded once, into a local
 *   variable, checked there, and only then used. What a check let through stays inside the ring, whatever the cursors are:
 *   positions are masked, and ends compared with the capacity.
 * - A cursor is stored with release order and loaded with acquire order: who sees it sees the record before it.
 * - The memory is held until release(): by `words`, a view of our own, and a buffer of that. While a thread looks without
 *   the GIL, release() is refused, as a memoryview's is while it is in use.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

enum {
    HEADER_SIZE = 192,
    WRITE = 0, /* indices of 64-bit words */
    READ = 8,
    WAITS = 16,
    HEADERS = HEADER_SIZE / 8,
    RECORD_HEADER = 8,
    FIRST = 1,
    HIGHEST_FLAGS = 7, /* FIRST | MORE | LENT */
    LOOKS_A_CLOCK = 16,
    QUICK = 20000, /* nanoseconds in which a quick peer has answered */
};

static PyObject *violation; /* logoscore.errors.ProtocolViolationError */
static PyObject *ring_size; /* logoscore.transport.ring.ring_size, which checks a capacity */

typedef struct {
    PyObject_HEAD
    Py_buffer buffer; /* of the whole memory; obj NULL: not made yet, or released */
    PyObject *words, *data;
    unsigned long long capacity, mask;
    unsigned long long written, room_until, max_payload; /* the writer's */
    unsigned long long read_cursor, limit;               /* the reader's */
    int looking;                                         /* threads, without the GIL */
    char in_pieces;                                      /* the writer's, see write_whole() */
} End;

static uint64_t *words_of(const End *self) { return (uint64_t *)self->buffer.buf; }
static char *data_of(const End *self) { return (char *)self->buffer.buf + HEADER_SIZE; }
static uint64_t load(const End *self, int index) { return __atomic_load_n(words_of(self) + index, __ATOMIC_ACQUIRE); }
static void store(const End *self, int index, uint64_t value)
{
    __atomic_store_n(words_of(self) + index, value, __ATOMIC_RELEASE);
}
static uint64_t record_size(uint64_t payload) { return (payload + RECORD_HEADER + 7) & ~(uint64_t)7; }

static int is_usable(const End *self)
{
    if (self->buffer.obj != NULL)
        return 1;
    PyErr_SetString(PyExc_ValueError, "operation forbidden on released ring");
    return 0;
}

/* --- both ends ------------------------------------------------------------------------------------------------------ */

static int End_init(End *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"memory", NULL};
    PyObject *memory, *size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &memory))
        return -1;
    if (self->words != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the end of a ring is made once");
        return -1;
    }
    Py_ssize_t length = PyObject_Length(memory);
    size = length < 0 ? NULL : PyObject_CallFunction(ring_size, "n", length - HEADER_SIZE);
    if (size == NULL)
        return -1;
    Py_DECREF(size);
    self->words = PyObject_CallMethod(memory, "cast", "s", "Q");
    if (self->words == NULL || PyObject_GetBuffer(self->words, &self->buffer, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0)
        return -1;
    if (self->buffer.len != length || (uintptr_t)self->buffer.buf % 8) {
        PyErr_SetString(PyExc_ValueError, "a ring's memory is bytes, and begins at a multiple of 8");
        goto failed;
    }
    self->data = PySequence_GetSlice(memory, HEADER_SIZE, self->buffer.len);
    if (self->data == NULL)
        goto failed;
    self->capacity = (unsigned long long)(self->buffer.len - HEADER_SIZE);
    self->mask = self->capacity - 1;
    self->room_until = self->capacity;
    self->max_payload = self->capacity / 4;
    return 0;
failed:
    PyBuffer_Release(&self->buffer);
    return -1;
}

static void End_dealloc(End *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyBuffer_Release(&self->buffer);
    Py_CLEAR(self->words);
    Py_CLEAR(self->data);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *End_release(End *self, PyObject *unused)
{
    (void)unused;
    if (self->looking) {
        PyErr_SetString(PyExc_BufferError, "a thread is looking at this ring");
        return NULL;
    }
    PyBuffer_Release(&self->buffer);
    PyObject *views[] = {self->data, self->words};
    for (size_t i = 0; i < 2; i++) {
        PyObject *none = views[i] == NULL ? Py_NewRef(Py_None) : PyObject_CallMethod(views[i], "release", NULL);
        if (none == NULL)
            return NULL;
        Py_DECREF(none);
    }
    Py_RETURN_NONE;
}

#define MEMBERS                                                                                                              \
    {"words", T_OBJECT_EX, offsetof(End, words), READONLY, NULL},                                                            \
    {"data", T_OBJECT_EX, offsetof(End, data), READONLY, NULL},                                                              \
    {"capacity", T_ULONGLONG, offsetof(End, capacity), READONLY, NULL},                                                      \
    {"mask", T_ULONGLONG, offsetof(End, mask), READONLY, NULL},

static PyMemberDef writer_members[] = {
    MEMBERS
    {"written", T_ULONGLONG, offsetof(End, written), READONLY, NULL},
    {"room_until", T_ULONGLONG, offsetof(End, room_until), READONLY, NULL},
    {"max_payload", T_ULONGLONG, offsetof(End, max_payload), READONLY, NULL},
    {"in_pieces", T_BOOL, offsetof(End, in_pieces), 0, NULL},
    {0, 0, 0, 0, NULL},
};

static PyMemberDef reader_members[] = {
    MEMBERS
    {"read_cursor", T_ULONGLONG, offsetof(End, read_cursor), READONLY, NULL},
    {"limit", T_ULONGLONG, offsetof(End, limit), READONLY, NULL},
    {0, 0, 0, 0, NULL},
};

/* --- the writer's ----------------------------------------------------------------------------------------------------- */

/* Whether there is room up to `after`, by the reader's published cursor; -1: that is an impossible one. */
static int look_for_room(End *self, uint64_t after)
{
    uint64_t read = load(self, READ), seen = self->room_until - self->capacity;
    if (read < seen || read > self->written || read & 7) {
        PyErr_Format(violation, "the reader published cursor %llu; possible were %llu to %llu", (unsigned long long)read,
                     (unsigned long long)seen, self->written);
        return -1;
    }
    self->room_until = read + self->capacity;
    return after <= self->room_until;
}

/* 1: written; 0: there is no room; -1: an error is set. */
static int write_record(End *self, const char *payload, uint64_t size, uint64_t flags)
{
    if (size > self->max_payload) {
        PyErr_Format(PyExc_ValueError, "a record of this ring carries at most %llu bytes, not %llu", self->max_payload,
                     (unsigned long long)size);
        return -1;
    }
    uint64_t after = self->written + record_size(size);
    if (after > self->room_until) {
        int room = look_for_room(self, after);
        if (room <= 0)
            return room;
    }
    uint64_t start = self->written & self->mask;
    words_of(self)[HEADERS + (start >> 3)] = size | flags << 32;
    start = (start + RECORD_HEADER) & self->mask;
    uint64_t head = self->capacity - start < size ? self->capacity - start : size;
    memmove(data_of(self) + start, payload, head); /* it may be a piece of this very ring */
    memmove(data_of(self), payload + head, size - head);
    self->written = after;
    store(self, WRITE, after);
    return 1;
}

static PyObject *Writer_write(End *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "write() takes a payload and flags, not %zd arguments", count);
        return NULL;
    }
    unsigned long flags = PyLong_AsUnsignedLong(args[1]);
    if (flags == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    if (flags > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "flags have 32 bits");
        return NULL;
    }
    int done;
    if (PyBytes_Check(args[0])) {
        char *payload;
        Py_ssize_t size;
        if (!is_usable(self) || PyBytes_AsStringAndSize(args[0], &payload, &size) < 0)
            return NULL;
        done = write_record(self, payload, (uint64_t)size, flags);
    } else {
        Py_buffer payload;
        if (PyObject_GetBuffer(args[0], &payload, PyBUF_SIMPLE) < 0)
            return NULL;
        /* (Looked at afterwards: the buffer may be of a class whose code has just run.) */
        done = is_usable(self) ? write_record(self, payload.buf, (uint64_t)payload.len, flags) : -1;
        PyBuffer_Release(&payload);
    }
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* A message as a record of its own, in a single step for all threads of this side. */
static PyObject *Writer_write_whole(End *self, PyObject *message)
{
    char *payload;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(message, &payload, &size) < 0 || !is_usable(self))
        return NULL;
    if (self->in_pieces || (uint64_t)size > self->max_payload)
        Py_RETURN_FALSE;
    int done = write_record(self, payload, (uint64_t)size, FIRST);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *Writer_set_waiting(End *self, PyObject *episode)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(episode);
    if ((number == (unsigned long long)-1 && PyErr_Occurred()) || !is_usable(self))
        return NULL;
    store(self, WAITS, number);
    Py_RETURN_NONE;
}

/* --- the reader's ----------------------------------------------------------------------------------------------------- */

static PyObject *Reader_readable(End *self, PyObject *unused)
{
    (void)unused;
    return is_usable(self) ? PyBool_FromLong(load(self, WRITE) != self->read_cursor) : NULL;
}

static int is_unmoved(const End *self, uint64_t read)
{
    if (!is_usable(self))
        return 0;
    if (self->read_cursor == read)
        return 1;
    PyErr_SetString(PyExc_RuntimeError, "a ring has one reader: somebody read while another one did");
    return 0;
}

static PyObject *Reader_read(End *self, PyObject *unused)
{
    (void)unused;
    if (!is_usable(self))
        return NULL;
    uint64_t read = self->read_cursor, limit = self->limit;
    if (read == limit) {
        limit = load(self, WRITE);
        if (limit == read)
            Py_RETURN_NONE;
        if (limit < read || limit - read > self->capacity || limit & 7)
            return PyErr_Format(violation, "the writer published cursor %llu; the reader is at %llu",
                                (unsigned long long)limit, (unsigned long long)read);
        self->limit = limit;
    }
    uint64_t start = read & self->mask;
    uint64_t header = __atomic_load_n(words_of(self) + HEADERS + (start >> 3), __ATOMIC_RELAXED);
    uint64_t size = header & UINT32_MAX, flags = header >> 32;
    if (record_size(size) > limit - read || flags > HIGHEST_FLAGS)
        return PyErr_Format(violation, "the writer announced a record of %llu bytes with flags 0x%x; %llu bytes are in the ring",
                            (unsigned long long)size, (unsigned int)flags, (unsigned long long)(limit - read));
    start = (start + RECORD_HEADER) & self->mask;
    uint64_t head = self->capacity - start < size ? self->capacity - start : size;
    PyObject *payload = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    PyObject *flag = payload == NULL ? NULL : PyLong_FromUnsignedLongLong(flags);
    PyObject *record = flag == NULL ? NULL : PyTuple_Pack(2, payload, flag);
    /* From here on nothing is allocated. Making the tuple may have run the collector, and that any finalizer. */
    if (record != NULL && is_unmoved(self, read)) {
        char *bytes = PyBytes_AsString(payload);
        memcpy(bytes, data_of(self) + start, head);
        memcpy(bytes + head, data_of(self), size - head);
        self->read_cursor = read + record_size(size);
        store(self, READ, self->read_cursor);
    } else
        Py_CLEAR(record);
    Py_XDECREF(flag);
    Py_XDECREF(payload);
    return record;
}

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause(); /* lets the other thread of the core run, which may be the very peer */
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int look_until(const uint64_t *word, uint64_t cursor, uint64_t end)
{
    for (unsigned looks = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) == cursor; looks++) {
        if (looks % LOOKS_A_CLOCK == 0 && nanoseconds() >= end)
            return 0;
        rest();
    }
    return 1;
}

/* A quick answer is awaited with the GIL: whoever gives it away beside a busy thread has it back after milliseconds. Then
 * others run: one look in a row, as every taking back of the GIL costs as much as many looks.
 */
static PyObject *Reader_look(End *self, PyObject *microseconds)
{
    unsigned long time = PyLong_AsUnsignedLong(microseconds);
    if ((time == (unsigned long)-1 && PyErr_Occurred()) || !is_usable(self))
        return NULL;
    const uint64_t *word = words_of(self) + WRITE;
    uint64_t cursor = self->read_cursor, now = nanoseconds(), end = now + (uint64_t)time * 1000u;
    int found = look_until(word, cursor, end < now + QUICK ? end : now + QUICK);
    if (!found && end > now + QUICK) {
        self->looking++;
        Py_BEGIN_ALLOW_THREADS
        found = look_until(word, cursor, end);
        Py_END_ALLOW_THREADS
        self->looking--;
    }
    return PyBool_FromLong(found);
}

static PyObject *Reader_waiting_episode(End *self, PyObject *unused)
{
    (void)unused;
    return is_usable(self) ? PyLong_FromUnsignedLongLong(load(self, WAITS)) : NULL;
}

static PyObject *Reader_half_empty(End *self, PyObject *unused)
{
    (void)unused;
    if (!is_usable(self))
        return NULL;
    uint64_t written = load(self, WRITE);
    return PyBool_FromLong(written <= self->read_cursor || written - self->read_cursor <= self->capacity / 2);
}

/* --- the module ------------------------------------------------------------------------------------------------------- */

#define RELEASE {"release", (PyCFunction)End_release, METH_NOARGS, NULL}

static PyMethodDef writer_methods[] = {
    {"write", (PyCFunction)(void (*)(void))Writer_write, METH_FASTCALL, NULL},
    {"write_whole", (PyCFunction)Writer_write_whole, METH_O, NULL},
    {"set_waiting", (PyCFunction)Writer_set_waiting, METH_O, NULL},
    RELEASE,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef reader_methods[] = {
    {"readable", (PyCFunction)Reader_readable, METH_NOARGS, NULL},
    {"read", (PyCFunction)Reader_read, METH_NOARGS, NULL},
    {"look", (PyCFunction)Reader_look, METH_O, NULL},
    {"waiting_episode", (PyCFunction)Reader_waiting_episode, METH_NOARGS, NULL},
    {"half_empty", (PyCFunction)Reader_half_empty, METH_NOARGS, NULL},
    RELEASE,
    {NULL, NULL, 0, NULL},
};

#define SLOTS(methods, members) {                                                                                            \
    {Py_tp_new, PyType_GenericNew}, {Py_tp_init, End_init}, {Py_tp_dealloc, End_dealloc}, {Py_tp_members, members},          \
    {Py_tp_methods, methods}, {0, NULL},                                                                                     \
}

static PyType_Slot writer_slots[] = SLOTS(writer_methods, writer_members);
static PyType_Slot reader_slots[] = SLOTS(reader_methods, reader_members);

#define TYPE(name, slots) {"logoscore.transport._ring." name, sizeof(End), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots}

static PyType_Spec writer_type = TYPE("RingWriter", writer_slots);
static PyType_Spec reader_type = TYPE("RingReader", reader_slots);

static struct PyModuleDef module_definition = {PyModuleDef_HEAD_INIT, "_ring", NULL, -1, NULL, NULL, NULL, NULL, NULL};

static PyObject *attribute(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return value;
}

static int add_type(PyObject *module, const char *name, PyType_Spec *type)
{
    PyObject *made = PyType_FromSpec(type);
    int failed = made == NULL || PyModule_AddObjectRef(module, name, made) < 0;
    Py_XDECREF(made);
    return failed;
}

PyMODINIT_FUNC PyInit__ring(void)
{
    violation = attribute("logoscore.errors", "ProtocolViolationError");
    ring_size = attribute("logoscore.transport.ring", "ring_size");
    PyObject *module = violation == NULL || ring_size == NULL ? NULL : PyModule_Create(&module_definition);
    if (module != NULL && (add_type(module, "RingWriter", &writer_type) || add_type(module, "RingReader", &reader_type)))
        Py_CLEAR(module);
    return module;
}
