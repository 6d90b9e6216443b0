/* Copies of large buffers, into lent memory and out of it, as fast as the machine can.
 *
 * - A bytes object lies in fresh pages, and most of the time that its making takes goes into faulting them in, 4 KiB by
 *   4 KiB. Asking for huge pages first makes it three to four times as fast (Linux; it is advice, and where the system
 *   does not follow it nothing changes).
 * - One core alone does not use up what the memory can do, so several threads copy, each its part. They are started for
 *   one copy and joined before it returns; where the system has no more of them, this one does it all.
 * - What is larger than the caches is written past them: the processor need not read what it is about to overwrite, which
 *   is a third of all the traffic. Not into a new object: the kernel clears its pages one by one, just before each is
 *   written, and so has them in the caches.
 * - Pages that the process has are better than any fresh ones: a bytes object of the right size that nobody else has any
 *   more is filled again.
 * - The GIL is released meanwhile. What others do to the source then shows up in the copy, or does not, and nothing else
 *   happens: these are plain bytes, and the buffers are held.
 */

#ifdef __linux__
#define _GNU_SOURCE
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    PAGE = 1 << 12, /* where the system's are larger, it refuses the advice */
    HUGE_PAGE = 1 << 21,
    PART = 1 << 22, /* a thread's, at least: starting one takes as long as some 100 KiB */
    MOST = 4,       /* threads: with so many the memory is the limit */
    STACK = 1 << 18,
    LINE = 64,
    CACHES = 1 << 25, /* where it began to pay on the machines that we measured; below, who reads next finds it there */
};

/* How the pages of the target are. */
typedef enum { FRESH, USED } Pages;

typedef struct {
    char *target;
    const char *source;
    size_t size;
    int past_caches;
} Part;

static void advise(char *start, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)start + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)start + size) & ~(uintptr_t)(PAGE - 1);
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)start, (void)size;
#endif
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* How many threads may run at once, of those that are worth starting. `most`: not more than that; 0: than there are CPUs. */
static size_t threads_for(size_t size, size_t most)
{
    size_t worth = size < PART ? 1 : size / PART;
#ifdef __linux__
    cpu_set_t cpus;
    if (most == 0 && sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        most = (size_t)CPU_COUNT(&cpus);
#endif
    return smaller(worth, smaller(most == 0 ? 1 : most, MOST));
}

#ifdef __SSE2__
static void copy_past_caches(char *target, const char *source, size_t size)
{
    size_t head = smaller(size, -(uintptr_t)target & (LINE - 1)), at = head;
    memcpy(target, source, head);
    for (; at + LINE <= size; at += LINE) {
        const __m128i *from = (const __m128i *)(source + at);
        __m128i *to = (__m128i *)(target + at);
        __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
        __m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
        _mm_stream_si128(to, a);
        _mm_stream_si128(to + 1, b);
        _mm_stream_si128(to + 2, c);
        _mm_stream_si128(to + 3, d);
    }
    _mm_sfence(); /* such stores are in no order with later ones, that of the message included */
    memcpy(target + at, source + at, size - at);
}
#else
static void copy_past_caches(char *target, const char *source, size_t size) { memcpy(target, source, size); }
#endif

static void *copy_part(void *argument)
{
    const Part *part = argument;
    if (part->past_caches)
        copy_past_caches(part->target, part->source, part->size);
    else
        memcpy(part->target, part->source, part->size);
    return NULL;
}

/* Signals are for the threads that Python knows, but for those of what this one does itself: a file that somebody cuts off
 * while it is copied ends the process, and blocked that would happen without a word of faulthandler's.
 */
static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static int start(pthread_t *thread, Part *part)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    (void)pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, &attributes, copy_part, part);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}

/* No huge page of the target is for two threads: they would fault it in at the same time. */
static size_t part_end(const char *target, size_t size, size_t number, size_t count)
{
    if (number + 1 == count)
        return size;
    uintptr_t end = (uintptr_t)target + size / count * (number + 1);
    return (size_t)((end & ~(uintptr_t)(HUGE_PAGE - 1)) - (uintptr_t)target);
}

static void copy_all(char *target, const char *source, size_t size, size_t most, Pages pages)
{
    size_t count = threads_for(size, most), at = 0;
    Part parts[MOST];
    pthread_t threads[MOST];
    int started[MOST];
    for (size_t number = 0; number < count; number++) {
        size_t end = part_end(target, size, number, count);
        parts[number] = (Part){target + at, source + at, end - at, pages == USED && size >= CACHES};
        at = end;
        started[number] = number + 1 < count && start(&threads[number], &parts[number]);
    }
    for (size_t number = count; number-- > 0;)
        if (!started[number])
            copy_part(&parts[number]);
    for (size_t number = 0; number < count; number++)
        if (started[number])
            pthread_join(threads[number], NULL);
}

static void fill(char *target, const Py_buffer *source, Pages pages)
{
    Py_BEGIN_ALLOW_THREADS
    if (pages == FRESH)
        advise(target, (size_t)source->len);
    copy_all(target, source->buf, (size_t)source->len, 0, pages);
    Py_END_ALLOW_THREADS
}

/* A bytes object keeps its hash, once somebody has asked for it, in the word before its data (-1: nobody has), and only
 * CPython's own API says so. So we look, once, whether it is there; if not, nothing is filled again.
 */
static int hash_is_before_data;

static Py_hash_t kept_hash(PyObject *bytes)
{
    Py_hash_t hash;
    memcpy(&hash, PyBytes_AsString(bytes) - sizeof hash, sizeof hash);
    return hash;
}

static void forget_hash(PyObject *bytes)
{
    const Py_hash_t none = -1;
    memcpy(PyBytes_AsString(bytes) - sizeof none, &none, sizeof none);
}

static int find_hash(void)
{
    PyObject *probe = PyBytes_FromString("two bytes or more, for single ones are shared");
    if (probe == NULL)
        return -1;
    Py_hash_t before = kept_hash(probe), hash = PyObject_Hash(probe);
    hash_is_before_data = before == -1 && hash != -1 && kept_hash(probe) == hash;
    if (hash_is_before_data) {
        forget_hash(probe);
        hash_is_before_data = PyObject_Hash(probe) == hash && kept_hash(probe) == hash;
    }
    Py_DECREF(probe);
    return 0;
}

/* Out of a list of bytes objects: one of this size that only the list has, so that nobody can tell that it is not new (as
 * `zip` fills its tuple again). It is ours from here on: no other thread can come by it while the GIL is released. NULL if
 * there is none, or with an exception.
 */
static PyObject *take_spare(PyObject *spares, Py_ssize_t size)
{
    for (Py_ssize_t i = 0; hash_is_before_data && i < PyList_Size(spares); i++) {
        PyObject *spare = PyList_GetItem(spares, i);
        if (!PyBytes_CheckExact(spare) || PyBytes_Size(spare) != size || Py_REFCNT(spare) != 1)
            continue;
        Py_INCREF(spare);
        if (PySequence_DelItem(spares, i) < 0) {
            Py_DECREF(spare);
            return NULL;
        }
        forget_hash(spare);
        return spare;
    }
    return NULL;
}

/* to_bytes(source, spares): spares is a list of bytes objects; what is taken from it to be filled again is not in it
 * any more.
 */
static PyObject *to_bytes(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer view;
    PyObject *spares;
    if (!PyArg_ParseTuple(arguments, "y*O!", &view, &PyList_Type, &spares))
        return NULL;
    PyObject *made = take_spare(spares, view.len);
    Pages pages = made == NULL ? FRESH : USED;
    if (made == NULL && !PyErr_Occurred())
        made = PyBytes_FromStringAndSize(NULL, view.len);
    if (made != NULL)
        fill(PyBytes_AsString(made), &view, pages);
    PyBuffer_Release(&view);
    return made;
}

static PyObject *to_bytearray(PyObject *module, PyObject *source)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *made = PyByteArray_FromStringAndSize(NULL, view.len);
    if (made != NULL)
        fill(PyByteArray_AsString(made), &view, FRESH);
    PyBuffer_Release(&view);
    return made;
}

static int overlap(const Py_buffer *one, const Py_buffer *other)
{
    uintptr_t a = (uintptr_t)one->buf, b = (uintptr_t)other->buf;
    return a < b + (uintptr_t)other->len && b < a + (uintptr_t)one->len;
}

/* copy(target, source, threads=0): threads are at most so many, and 0 means as many as there are CPUs for them. */
static PyObject *copy(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer target, source;
    Py_ssize_t threads = 0;
    if (!PyArg_ParseTuple(arguments, "w*y*|n", &target, &source, &threads))
        return NULL;
    int fits = target.len == source.len && threads >= 0;
    if (!fits) {
        PyErr_Format(PyExc_ValueError, "%zd bytes do not fill %zd, or %zd threads", source.len, target.len, threads);
    } else if (overlap(&target, &source)) {
        memmove(target.buf, source.buf, (size_t)source.len);
    } else {
        Py_BEGIN_ALLOW_THREADS
        copy_all(target.buf, source.buf, (size_t)source.len, (size_t)threads, USED);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&target);
    PyBuffer_Release(&source);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"to_bytes", to_bytes, METH_VARARGS, NULL},
    {"to_bytearray", to_bytearray, METH_O, NULL},
    {"copy", copy, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_copy", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__copy(void)
{
    if (find_hash() < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "FILLS_AGAIN", hash_is_before_data) < 0)
        Py_CLEAR(module);
    return module;
}
