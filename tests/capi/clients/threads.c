/* Eight threads that do everything at once, beside the one that pumps; then a clean-up in the middle of it:
 * threads LIBRARY MODULES ROUNDS */
#define _GNU_SOURCE
#include "checks.h"

#include <pthread.h>

#define THREADS 8

typedef struct {
    int number, rounds;
    Answer *answers;
    int asked;
} Worker;

static atomic_int delivered, working, ending;
static _Thread_local int pumping;

static void counted(int result, const char *message, void *user_data)
{
    CHECK(pumping, "called back on a thread that does not pump: %s", message);
    CHECK(message != NULL && (result == 0 || result == 1), "result %d", result);
    atomic_fetch_add(&((Answer *)user_data)->times, 1);
    atomic_fetch_add(&delivered, 1);
}

static void ask(Worker *worker, const char *module, const char *method, const char *params)
{
    logos.core_call_plugin_method_async(module, method, params, counted, &worker->answers[worker->asked++]);
}

#define ASKED_EACH 7 /* per round; a load_plugin_async in the first */

static void *work(void *argument)
{
    static const char *const garbage[] = {"", "[", "{\"a\":", "[1,]", "null", "\xc3", "[{\"value\":\"x\",\"type\":\"int\"}]"};
    Worker *worker = argument;
    for (int round = 0; round < worker->rounds; round++) {
        ask(worker, "calc", "add", "[1, 2]");
        ask(worker, "calc", "add", garbage[(worker->number + round) % 7]);
        ask(worker, "tally", "total", "[1, 2]");
        ask(worker, NULL, "add", NULL);
        ask(worker, "nobody", "add", "[]");
        ask(worker, "calc", "missing", NULL);
        logos.core_async_operation("data", counted, &worker->answers[worker->asked++]);
        take(logos.core_get_known_plugins(), "calc");
        take(logos.core_get_loaded_modules(), "calc");
        take(logos.core_get_module_dependents("calc", round % 2), "tally");
        free(logos.core_get_modules_info());
        free(logos.core_get_token(round % 2 ? "calc" : NULL));
        free(logos.core_get_last_error());
        if (round % 8 == worker->number && worker->number < 3)
            logos.core_load_module("tally", true);
        if (round % 8 == worker->number && worker->number > 4)
            logos.core_unload_plugin("tally");
        if (worker->number == 3 && round % 4 == 0) {
            logos.core_refresh_modules();
            free(logos.core_get_module_stats());
        }
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void *disturb(void *unused)
{
    (void)unused;
    while (!atomic_load(&ending)) {
        logos.core_call_plugin_method_async("calc", "add", "[1, 2]", counted, &(Answer){0});
        take(logos.core_get_loaded_plugins(), "calc");
        logos.core_load_plugin("tally");
    }
    return NULL;
}

static void start_core(const char *modules)
{
    logos.core_init(0, NULL);
    logos.core_set_plugins_dir(modules);
    logos.core_start();
    CHECK(logos.core_load_plugin("calc") == 1, "calc");
}

static void everything_at_once(int rounds)
{
    pthread_t threads[THREADS];
    Worker workers[THREADS];
    atomic_store(&working, THREADS);
    atomic_store(&delivered, 0);
    for (int number = 0; number < THREADS; number++) {
        workers[number] = (Worker){number, rounds, calloc((size_t)rounds * ASKED_EACH, sizeof(Answer)), 0};
        CHECK(pthread_create(&threads[number], NULL, work, &workers[number]) == 0, "thread");
    }
    pumping = 1;
    pump(&delivered, THREADS * ASKED_EACH * rounds);
    for (int number = 0; number < THREADS; number++)
        pthread_join(threads[number], NULL);
    logos.core_process_events();
    for (int number = 0; number < THREADS; number++) {
        for (int index = 0; index < workers[number].asked; index++)
            CHECK(workers[number].answers[index].times == 1, "%d answers", workers[number].answers[index].times);
        free(workers[number].answers);
    }
}

/* What has not been delivered by the time of a clean-up is not delivered at all: its user_data may be gone. */
static void cleanup_among_others(void)
{
    pthread_t threads[THREADS];
    atomic_store(&ending, 0);
    pumping = 0;
    for (int number = 0; number < THREADS; number++)
        CHECK(pthread_create(&threads[number], NULL, disturb, NULL) == 0, "thread");
    logos.core_cleanup();
    atomic_store(&ending, 1);
    for (int number = 0; number < THREADS; number++)
        pthread_join(threads[number], NULL);
    logos.core_cleanup();
}

int main(int argc, char **argv)
{
    CHECK(argc == 4, "threads LIBRARY MODULES ROUNDS");
    for (int life = 0; life < 2; life++) {
        void *library = open_library(argv[1]);
        start_core(argv[2]);
        everything_at_once(atoi(argv[3]));
        cleanup_among_others();
        dlclose(library);
    }
    puts("done");
    return 0;
}
