/* The smallest app in C: one module in a process of its own, one call, one event.
 *
 *   python -m logoscore.capi --output build
 *   cc examples/c/app.c -o app $(PKG_CONFIG_PATH=build/lib/pkgconfig pkg-config --cflags --libs logos_core)
 *   ./app examples/hello/modules
 */
#include <logos_core.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int open_answers = 2;

static void show(int result, const char *message, void *user_data)
{
    printf("%s: %s: %s\n", (const char *)user_data, result ? "fine" : "failed", message);
    open_answers--;
}

/* An event loop that does other things too would call logos_core_process_events() whenever it comes round. One that does
 * nothing else calls logos_core_exec(), and logos_core_quit() in a callback. */
static void run_loop(void)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    while (open_answers > 0) {
        logos_core_process_events();
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    logos_core_init(argc, argv);
    logos_core_set_plugins_dir(argc > 1 ? argv[1] : "examples/hello/modules");
    logos_core_start();
    if (!logos_core_load_plugin("greeter")) {
        char *why = logos_core_get_last_error();
        fprintf(stderr, "%s\n", why);
        free(why);
        logos_core_cleanup();
        return 1;
    }
    logos_core_register_event_listener("greeter", "greeted", show, "event");
    logos_core_call_plugin_method_async("greeter", "greet", "[\"world\"]", show, "answer");
    run_loop();
    logos_core_cleanup();
    return 0;
}
