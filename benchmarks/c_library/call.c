/* call MODULES: a call through the C library, as __init__.py of this directory describes. */
#define _POSIX_C_SOURCE 200809L
#include <logos_core.h>

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int answered;

static void answer(int result, const char *message, void *user_data)
{
    (void)user_data;
    if (result != 1 || strcmp(message, "Method call successful. Result: 3") != 0) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
    answered = 1;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void back_to_back(int64_t duration)
{
    static int64_t *times;
    static size_t capacity;
    size_t count = 0;
    int64_t end = now() + duration, begin, ended;
    do {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            times = realloc(times, capacity * sizeof *times);
            if (times == NULL)
                abort();
        }
        begin = now();
        answered = 0;
        logos_core_call_plugin_method_async("adder", "add", "[1, 2]", answer, NULL);
        while (!answered)
            logos_core_process_events();
        ended = now();
        times[count++] = ended - begin;
    } while (ended < end);
    for (size_t index = 0; index < count; index++)
        printf("%" PRId64 " ", times[index]);
    puts("");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[32];
    if (argc != 2)
        return 2;
    signal(SIGINT, SIG_IGN); /* it is for the one who started us, and who closes our input then */
    logos_core_init(argc, argv);
    logos_core_set_plugins_dir(argv[1]);
    logos_core_start();
    if (!logos_core_load_plugin("adder"))
        return 1;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        back_to_back(strtoll(line, NULL, 10));
    logos_core_cleanup();
    return 0;
}
