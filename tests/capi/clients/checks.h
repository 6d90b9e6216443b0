/* What the C clients share: every function of the library by dlsym, checks, and pumping. */
#ifndef CHECKS_H
#define CHECKS_H

#include "logos_core.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);                                    \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define FUNCTIONS(X)                                                                                                   \
    X(core, init) X(core, initialize) X(core, set_plugins_dir) X(core, add_plugins_dir) X(core, add_modules_dir)       \
    X(core, set_persistence_base_path) X(core, set_access_policy) X(core, set_module_transports) X(core, start)        \
    X(core, exec) X(core, quit) X(core, process_events) X(core, cleanup) X(core, load_plugin)                          \
    X(core, load_plugin_with_dependencies) X(core, unload_plugin) X(core, load_module) X(core, unload_module)          \
    X(core, load_plugin_async) X(core, process_plugin) X(core, process_module) X(core, refresh_modules)                \
    X(core, get_loaded_plugins) X(core, get_known_plugins) X(core, get_loaded_modules) X(core, get_known_modules)      \
    X(core, get_module_dependencies) X(core, get_module_dependents) X(core, get_modules_info)                          \
    X(core, get_module_stats) X(core, get_token) X(core, call_plugin_method_async) X(core, register_event_listener)    \
    X(core, async_operation) X(core, get_last_error) X(module_client, init_with_callbacks)                             \
    X(module_client, call_method_async) X(module_client, async_operation) X(module_client, load_plugin_async)          \
    X(module_client, register_event_listener) X(module_client, shutdown)

#define MEMBER(part, name) __typeof__(&logos_##part##_##name) part##_##name;
static struct {
    FUNCTIONS(MEMBER)
} logos;

static inline void *open_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
#define BIND(part, name)                                                                                               \
    *(void **)&logos.part##_##name = dlsym(library, "logos_" #part "_" #name);                                         \
    CHECK(logos.part##_##name != NULL, "%s", "logos_" #part "_" #name);
    FUNCTIONS(BIND)
    return library;
}

/* The answer to one call. */
typedef struct {
    atomic_int times;
    int result;
    char *message;
} Answer;

static inline void answered(int result, const char *message, void *user_data)
{
    Answer *answer = user_data;
    free(answer->message);
    answer->result = result;
    answer->message = strdup(message);
    atomic_fetch_add(&answer->times, 1);
}

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#define LONGEST 50.0 /* seconds that anything may take before it counts as never */

/* Pump until `counter` is `times`. */
static inline void pump(atomic_int *counter, int times)
{
    double end = seconds() + LONGEST;
    while (atomic_load(counter) < times) {
        logos.core_process_events();
        CHECK(seconds() < end, "%d callbacks of %d", atomic_load(counter), times);
    }
}

static inline void expect(Answer *answer, int result, const char *text)
{
    pump(&answer->times, 1);
    CHECK(answer->times == 1 && answer->result == result, "%d times, %d: %s", answer->times, answer->result,
          answer->message);
    size_t length = strlen(text); /* a text that ends with … is the beginning of the message */
    const char *rest = "…";
    if (length >= strlen(rest) && strcmp(text + length - strlen(rest), rest) == 0)
        CHECK(strncmp(answer->message, text, length - strlen(rest)) == 0, "%s", answer->message);
    else
        CHECK(strcmp(answer->message, text) == 0, "%s, not %s", answer->message, text);
    free(answer->message);
    *answer = (Answer){0};
}

#define OK "Method call successful. Result: "

static inline void call_and_expect(const char *module, const char *method, const char *params, int result, const char *text)
{
    Answer answer = {0};
    logos.core_call_plugin_method_async(module, method, params, answered, &answer);
    CHECK(answer.times == 0, "called back outside of process_events");
    expect(&answer, result, text);
}

static inline int take(char **names, const char *wanted)
{
    int found = 0;
    CHECK(names != NULL, "a list is never NULL");
    for (char **each = names; *each != NULL; each++) {
        found |= strcmp(*each, wanted) == 0;
        free(*each);
    }
    free(names);
    return found;
}

static inline void take_text(char *text, const char *part)
{
    CHECK(text != NULL && strstr(text, part) != NULL, "%s has no %s", text != NULL ? text : "NULL", part);
    free(text);
}

static inline long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1, "statm");
    fclose(file);
    return pages * 4;
}

#endif
