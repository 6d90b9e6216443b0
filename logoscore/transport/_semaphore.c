/* A counting semaphore in a channel's own memory, on Linux: what a peer may write to it can cost nobody but itself.
 *
 *     0        4         8      64
 *     ┌────────┬─────────┬──────┐
 *     │ units  │ waiters │      │   both u32; a cache line of its own
 *     └────────┴─────────┴──────┘
 *
 * The C library's semaphores cannot be shared with somebody hostile: it takes from the same memory what to ask the kernel for,
 * so two words written there make a post sleep for ever, or end the process; and the file of a named one can be cut off
 * (SIGBUS), which a channel's memory is sealed against. Here each call of the kernel is a constant, and whatever it answers
 * is no reason to do anything but go on. What is left to a hostile peer: units that nobody posted, units taken away, and
 * waiters that are not woken. Receiver and Sender look at their clocks, and at what they wait for, as they must anyway.
 *
 * Rules:
 *
 * - post() counts first and then looks for waiters; acquire() counts itself in first and then looks for units (the kernel
 *   does, in one step with going to sleep). Both in sequential order, so one of the two sees the other.
 * - acquire() sleeps once at most. It may come back early with nothing, for a signal or for kick(), so that whoever
 *   waits looks up.
 * - The GIL is released for the sleep only.
 * - A thread that sleeps holds the memory, though it be closed meanwhile.
 *
 * Algorithm: as glibc's new_sem_wait/new_sem_post, without its trust in the memory.
 */

#ifndef __linux__
#error "only Linux has futexes: elsewhere the system's named semaphores are used, see segment.py"
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, TRIES = 1000, BILLION = 1000000000 };
static const double LONGEST = 1e9; /* seconds */

typedef struct {
    PyObject_HEAD
    Py_buffer memory; /* obj NULL: not made yet, or let go of */
    uint32_t *units, *waiters;
    Py_ssize_t sleeping; /* threads of ours */
    int closed;
} Semaphore;

static int is_open(const Semaphore *self)
{
    if (self->memory.obj != NULL && !self->closed)
        return 1;
    PyErr_SetString(PyExc_ValueError, "this semaphore is closed");
    return 0;
}

static void let_go(Semaphore *self)
{
    if (self->closed && !self->sleeping)
        PyBuffer_Release(&self->memory);
}

static int Semaphore_init(Semaphore *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"memory", NULL};
    PyObject *memory;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &memory))
        return -1;
    if (self->memory.obj != NULL || self->closed) {
        PyErr_SetString(PyExc_RuntimeError, "a semaphore is made once");
        return -1;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0)
        return -1;
    if (view.len != SIZE || (uintptr_t)view.buf % sizeof(uint32_t) || self->memory.obj != NULL) {
        PyErr_SetString(PyExc_ValueError, "a semaphore's memory is 64 bytes, and begins at a multiple of 4");
        PyBuffer_Release(&view);
        return -1;
    }
    self->memory = view;
    self->units = view.buf;
    self->waiters = self->units + 1;
    return 0;
}

static PyObject *Semaphore_close(Semaphore *self, PyObject *unused)
{
    (void)unused;
    self->closed = 1;
    let_go(self);
    Py_RETURN_NONE;
}

static void Semaphore_dealloc(Semaphore *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyBuffer_Release(&self->memory);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static void wake(Semaphore *self, int most) { (void)syscall(SYS_futex, self->units, FUTEX_WAKE, most, NULL, NULL, 0); }

static PyObject *Semaphore_post(Semaphore *self, PyObject *unused)
{
    (void)unused;
    if (!is_open(self))
        return NULL;
    __atomic_fetch_add(self->units, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(self->waiters, __ATOMIC_SEQ_CST))
        wake(self, 1);
    Py_RETURN_NONE;
}

static PyObject *Semaphore_kick(Semaphore *self, PyObject *unused)
{
    (void)unused;
    if (!is_open(self))
        return NULL;
    __atomic_fetch_add(self->units, 1, __ATOMIC_SEQ_CST);
    wake(self, INT_MAX); /* whatever the memory says of waiters; on one semaphore only one side waits */
    Py_RETURN_NONE;
}

static int take(Semaphore *self)
{
    uint32_t units = __atomic_load_n(self->units, __ATOMIC_RELAXED);
    for (int i = 0; units && i < TRIES; i++) /* a peer that writes all the time does not keep us for ever */
        if (__atomic_compare_exchange_n(self->units, &units, units - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return 1;
    return 0;
}

static PyObject *Semaphore_try_acquire(Semaphore *self, PyObject *unused)
{
    (void)unused;
    return is_open(self) ? PyBool_FromLong(take(self)) : NULL;
}

static int sleep_until(Semaphore *self, const struct timespec *end) /* 0, or an errno */
{
    long failed;
    self->sleeping++;
    Py_BEGIN_ALLOW_THREADS
    __atomic_fetch_add(self->waiters, 1, __ATOMIC_SEQ_CST);
    failed = syscall(SYS_futex, self->units, FUTEX_WAIT_BITSET, 0, end, NULL, FUTEX_BITSET_MATCH_ANY) < 0 ? errno : 0;
    __atomic_fetch_sub(self->waiters, 1, __ATOMIC_SEQ_CST);
    Py_END_ALLOW_THREADS
    self->sleeping--;
    return (int)failed;
}

static PyObject *Semaphore_acquire(Semaphore *self, PyObject *timeout)
{
    double seconds = timeout == Py_None ? LONGEST : PyFloat_AsDouble(timeout);
    if ((seconds == -1.0 && PyErr_Occurred()) || !is_open(self))
        return NULL;
    if (take(self))
        Py_RETURN_TRUE;
    if (!(seconds > 0))
        Py_RETURN_FALSE;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long long nanoseconds = end.tv_nsec + (long long)((seconds < LONGEST ? seconds : LONGEST) * BILLION);
    end.tv_sec += nanoseconds / BILLION;
    end.tv_nsec = nanoseconds % BILLION;
    int failed = sleep_until(self, &end);
    int taken = !self->closed && take(self);
    let_go(self);
    if (!taken && failed == EINTR && PyErr_CheckSignals() < 0)
        return NULL;
    return PyBool_FromLong(taken);
}

static PyMethodDef methods[] = {
    {"post", (PyCFunction)Semaphore_post, METH_NOARGS, NULL},
    {"kick", (PyCFunction)Semaphore_kick, METH_NOARGS, NULL},
    {"try_acquire", (PyCFunction)Semaphore_try_acquire, METH_NOARGS, NULL},
    {"acquire", (PyCFunction)Semaphore_acquire, METH_O, NULL},
    {"close", (PyCFunction)Semaphore_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PyType_GenericNew}, {Py_tp_init, Semaphore_init}, {Py_tp_dealloc, Semaphore_dealloc},
    {Py_tp_methods, methods}, {0, NULL},
};

static PyType_Spec type_spec = {
    "logoscore.transport._semaphore.MemorySemaphore", sizeof(Semaphore), 0, Py_TPFLAGS_DEFAULT, slots,
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_semaphore", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__semaphore(void)
{
    PyObject *type = PyType_FromSpec(&type_spec);
    PyObject *module = type == NULL ? NULL : PyModule_Create(&definition);
    if (module != NULL && PyModule_AddObjectRef(module, "MemorySemaphore", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
