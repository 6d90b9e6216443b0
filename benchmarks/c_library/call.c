/* Times calls through the C library, one after the other: call MODULES COUNT WARMUP. Writes nanoseconds, one per line. */
#include <logos_core.h>

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

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int count = atoi(argv[2]), warmup = atoi(argv[3]);
    int64_t *times = calloc((size_t)count, sizeof *times);
    logos_core_init(argc, argv);
    logos_core_set_plugins_dir(argv[1]);
    logos_core_start();
    if (times == NULL || !logos_core_load_plugin("adder"))
        return 1;
    for (int index = -warmup; index < count; index++) {
        int64_t begin = now();
        answered = 0;
        logos_core_call_plugin_method_async("adder", "add", "[1, 2]", answer, NULL);
        while (!answered)
            logos_core_process_events();
        if (index >= 0)
            times[index] = now() - begin;
    }
    logos_core_cleanup();
    for (int index = 0; index < count; index++)
        printf("%lld\n", (long long)times[index]);
    free(times);
    return 0;
}
