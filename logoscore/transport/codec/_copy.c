/* Large bytes out of lent memory. A bytes object lies in fresh pages, and most of the time that its making takes goes into
 * faulting them in, 4 KiB by 4 KiB. Asking for huge pages first makes it three to four times as fast (Linux; it is
 * advice, and where the system does not follow it nothing changes).
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 1 << 12 }; /* where the system's are larger, it refuses the advice */

static void advise(char *start, Py_ssize_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)start + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)start + (uintptr_t)size) & ~(uintptr_t)(PAGE - 1);
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)start, (void)size;
#endif
}

static PyObject *to_bytes(PyObject *module, PyObject *source)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, view.len);
    if (made != NULL) {
        char *target = PyBytes_AsString(made);
        Py_BEGIN_ALLOW_THREADS
        advise(target, view.len);
        memcpy(target, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return made;
}

static PyMethodDef methods[] = {{"to_bytes", to_bytes, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_copy", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__copy(void) { return PyModule_Create(&definition); }
