/* One thread that does everything a client does, twice, with dlclose between: client LIBRARY MODULES [few|once] */
#define _GNU_SOURCE
#include "checks.h"

#include <pthread.h>
#include <signal.h>

static int calls_each = 10000, lives = 2;
static const char *modules;

/* --- NULL, garbage, and functions called too early --- */

static void null_everywhere(void)
{
    Answer answer = {0};
    logos.core_set_plugins_dir(NULL);
    logos.core_add_plugins_dir(NULL);
    logos.core_add_modules_dir(NULL);
    logos.core_set_persistence_base_path(NULL);
    logos.core_set_access_policy(NULL);
    logos.core_set_module_transports(NULL, NULL);
    CHECK(logos.core_load_plugin(NULL) == 0, "load_plugin");
    CHECK(logos.core_load_plugin_with_dependencies(NULL) == 0, "load_plugin_with_dependencies");
    CHECK(logos.core_unload_plugin(NULL) == 0, "unload_plugin");
    CHECK(logos.core_load_module(NULL, true) == 0 && logos.core_load_module(NULL, false) == 0, "load_module");
    CHECK(logos.core_unload_module(NULL, true) == 0 && logos.core_unload_module(NULL, false) == 0, "unload_module");
    CHECK(logos.core_process_plugin(NULL) == NULL && logos.core_process_module(NULL) == NULL, "process");
    CHECK(logos.core_get_token(NULL) == NULL, "get_token");
    take(logos.core_get_module_dependencies(NULL, true), "");
    take(logos.core_get_module_dependents(NULL, false), "");
    take_text(logos.core_get_last_error(), "get_plugin_dependents");
    logos.core_call_plugin_method_async("calc", "add", "[]", NULL, NULL);
    logos.core_register_event_listener(NULL, "e", answered, &answer);
    logos.core_register_event_listener("calc", NULL, answered, &answer);
    logos.core_register_event_listener("calc", "e", NULL, NULL);
    logos.core_async_operation(NULL, NULL, NULL);
    logos.core_load_plugin_async(NULL, NULL, NULL);
    logos.module_client_init_with_callbacks(NULL, NULL, NULL);
    CHECK(answer.times == 0, "nobody was to be called back");
    call_and_expect(NULL, "add", "[]", 0, "Plugin name or method name is null");
    call_and_expect("calc", NULL, NULL, 0, "Plugin name or method name is null");
    logos.core_load_plugin_async(NULL, answered, &answer);
    expect(&answer, 0, "Plugin name is null");
    logos.core_async_operation(NULL, answered, &answer);
    expect(&answer, 1, "Async operation completed successfully for: no data");
}

static void too_early(void)
{
    CHECK(logos.core_load_plugin("calc") == 0, "before start");
    CHECK(logos.core_get_token("calc") == NULL && logos.core_get_module_stats() == NULL, "before start");
    CHECK(!take(logos.core_get_loaded_plugins(), "calc"), "before start");
    call_and_expect("calc", "add", "[1,2]", 0, "Plugin not loaded: calc");
}

/* --- modules --- */

static void modules_by_all_names(void)
{
    char path[4096];
    CHECK(take(logos.core_get_known_plugins(), "calc") && take(logos.core_get_known_modules(), "tally"), "known");
    snprintf(path, sizeof path, "%s/calc/calc.module", modules);
    take_text(logos.core_process_plugin(path), "calc");
    snprintf(path, sizeof path, "%s/tally_plugin.so", modules);
    take_text(logos.core_process_module(path), "tally");
    CHECK(logos.core_process_plugin("/nowhere/at/all.so") == NULL, "no such file");
    CHECK(logos.core_load_plugin("\xff\xfe nobody") == 0, "no module");
    take_text(logos.core_get_last_error(), "UnknownModuleError");
    CHECK(logos.core_load_module("tally", false) == 0, "its dependency is not loaded");
    CHECK(logos.core_load_module("tally", true) == 1 && logos.core_load_plugin("tally") == 1, "loaded is fine");
    CHECK(take(logos.core_get_loaded_modules(), "calc") && take(logos.core_get_loaded_plugins(), "tally"), "loaded");
    CHECK(take(logos.core_get_module_dependencies("tally", true), "calc"), "dependencies");
    CHECK(take(logos.core_get_module_dependents("calc", false), "tally"), "dependents");
    CHECK(!take(logos.core_get_module_dependents("nobody", true), "tally"), "of nobody");
    take_text(logos.core_get_modules_info(), "\"name\":\"tally\"");
    take_text(logos.core_get_module_stats(), "\"memory_mb\":");
    char *token = logos.core_get_token("calc");
    CHECK(token != NULL && strlen(token) == 36 && logos.core_get_token("nobody") == NULL, "token");
    free(token);
    CHECK(logos.core_unload_module("calc", false) == 0, "tally needs it");
    CHECK(logos.core_unload_module("calc", true) == 1 && !take(logos.core_get_loaded_plugins(), "tally"), "cascade");
    CHECK(logos.core_unload_plugin("calc") == 0, "not loaded");
    Answer answer = {0};
    logos.core_load_plugin_async("tally", answered, &answer);
    expect(&answer, 1, "Plugin 'tally' loaded successfully");
    logos.module_client_load_plugin_async("nobody", answered, &answer);
    expect(&answer, 0, "Plugin not found among known plugins: nobody");
    logos.core_refresh_modules();
}

/* --- calls --- */

static void calls(void)
{
#define TYPED(value, type) "[{\"name\":\"x\",\"value\":\"" value "\",\"type\":\"" type "\"}]"
    static const struct {
        const char *method, *params;
        int result;
        const char *text;
    } table[] = {
        {"add", "[{\"name\":\"a\",\"value\":\"5\",\"type\":\"int\"},{\"name\":\"b\",\"value\":\"3\",\"type\":\"int\"}]", 1,
         OK "8"},
        {"add", "[9223372036854775807, 1]", 1, OK "9223372036854775808"},
        {"kind", TYPED("-9223372036854775808", "int"), 1, OK "int -9223372036854775808"},
        {"kind", TYPED("0.1", "double"), 1, OK "float 0.1"},
        {"kind", TYPED("true", "bool"), 1, OK "bool True"},
        {"kind", TYPED("w\xc3\xb6rld", "string"), 1, OK "str 'w\xc3\xb6rld'"},
        {"kind", TYPED("5", "anything"), 1, OK "str '5'"},
        {"kind", TYPED("{\\\"a\\\":[1,null]}", "json"), 1, OK "dict {'a': [1, None]}"},
        {"kind", TYPED("AP8=", "bytes"), 1, OK "bytes b'\\x00\\xff'"},
        {"kind", TYPED("x", "int"), 0, "Invalid parameter: x"},
        {"kind", TYPED("%", "bytes"), 0, "Invalid parameter: x"},
        {"count", NULL, 1, OK "0"},
        {"count", "[1, \"two\", [3], {\"four\": 4}, null]", 1, OK "5"},
        {"greeting", "[]", 1, OK "hello, w\xc3\xb6rld \xe2\x98\x83"},
        {"nothing", "[]", 1, OK "null"},
        {"divide", "[1, 4]", 1, OK "0.25"},
        {"echo", "[true]", 1, OK "true"},
        {"echo", "[\"\\u0000\"]", 1, OK "\"\\u0000\""},
        {"table", "[]", 1,
         OK "{\"name\":\"calc\",\"list\":[1,2.5,true,null],\"nested\":{\"\xc3\xa4\":\"\xc3\xb6\"}}"},
        {"outcome", "[]", 1, OK "{\"success\":true,\"value\":{\"a\":1},\"error\":null}"},
        {"divide", "[1, 0]", 0, "Method call returned invalid result: calc.divide raised ZeroDivisionError…"},
        {"add", "[1]", 0, "Method call returned invalid result: …"},
        {"missing", "[]", 0, "Method call returned invalid result: calc has no method 'missing'…"},
        {"add", "", 0, "JSON parse error: …"},
        {"add", "nonsense", 0, "JSON parse error: …"},
        {"add", "{\"a\":1}", 0, "JSON parse error: …"},
        {"add", "[NaN]", 0, "JSON parse error: …"},
        {"add", "[\xff]", 0, "JSON parse error: …"},
    };
    for (size_t row = 0; row < sizeof table / sizeof *table; row++)
        call_and_expect("calc", table[row].method, table[row].params, table[row].result, table[row].text);
    call_and_expect("tally", "total", "[1, 2, 3]", 1, OK "6");
    call_and_expect("nobody", "add", "[]", 0, "Plugin not loaded: nobody");
    Answer answer = {0};
    logos.module_client_call_method_async("calc", "add", "[1, 2]", answered, &answer);
    expect(&answer, 1, OK "3");
}

/* The queue is read once more than there is anything in it: nobody is called back twice. */
static void many_calls(int count)
{
    static Answer answers[100];
    for (int done = 0; done < count; done += 100) {
        for (int index = 0; index < 100; index++)
            logos.core_call_plugin_method_async("calc", "add", "[{\"value\":\"1\",\"type\":\"int\"},2]", answered,
                                                &answers[index]);
        for (int index = 0; index < 100; index++)
            expect(&answers[index], 1, OK "3");
    }
    logos.core_process_events();
    for (int index = 0; index < 100; index++)
        CHECK(answers[index].times == 0, "called back twice");
}

/* --- events, crash, reload --- */

static void events(void)
{
    Answer heard = {0}, other = {0};
    logos.core_register_event_listener("calc", "said", answered, &heard);
    logos.module_client_register_event_listener("calc", "odd", answered, &other);
    call_and_expect("calc", "emit", "[\"said\", \"a \\\"quoted\\\" word\", 2.5]", 1, OK "null");
    expect(&heard, 1, "{\"event\":\"said\",\"data\":[\"a \\\"quoted\\\" word\",2.5]}");
    call_and_expect("calc", "emit_odd", "[]", 1, OK "null");
    expect(&other, 1,
           "{\"event\":\"odd\",\"data\":[\"nan\",\"AP8=\",[[1,\"a\"],[\"1\",\"b\"]],\"quote \\\" and \\n\","
           "1180591620717411303424,[3]]}");
    call_and_expect("calc", "die", "[]", 0, "Method call returned invalid result: …");
    call_and_expect("calc", "add", "[1, 2]", 0, "Plugin not loaded: calc");
    CHECK(!take(logos.core_get_loaded_plugins(), "calc") && take(logos.core_get_known_plugins(), "calc"), "crashed");
    CHECK(logos.core_load_plugin("calc") == 1, "a crashed module can be loaded again");
    call_and_expect("calc", "add", "[1, 2]", 1, OK "3");
    call_and_expect("calc", "emit", "[\"said\", \"again\"]", 1, OK "null");
    expect(&heard, 1, "{\"event\":\"said\",\"data\":[\"again\"]}");
    CHECK(logos.core_unload_plugin("calc") == 1 && logos.core_load_plugin("calc") == 1, "reload");
    call_and_expect("calc", "emit", "[\"said\", 3]", 1, OK "null");
    expect(&heard, 1, "{\"event\":\"said\",\"data\":[3]}");
    logos.module_client_shutdown();
    call_and_expect("calc", "emit", "[\"said\", 4]", 1, OK "null");
    call_and_expect("calc", "add", "[1, 2]", 1, OK "3");
    CHECK(heard.times == 0, "heard after shutdown: %s", heard.message);
}

/* --- exec --- */

static void quits(int result, const char *message, void *user_data)
{
    answered(result, message, user_data);
    logos.core_quit(7);
}

static void *call_later(void *answer)
{
    logos.core_call_plugin_method_async("calc", "add", "[1, 2]", quits, answer);
    return NULL;
}

static void exec_delivers(void)
{
    Answer answer = {0};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_later, &answer) == 0, "thread");
    CHECK(logos.core_exec() == 7, "exec returns what quit was given");
    pthread_join(thread, NULL);
    expect(&answer, 1, OK "3");
}

static void one_life(int argc, char **argv)
{
    logos.core_init(argc, argv);
    logos.core_initialize(-3, NULL);
    logos.core_set_plugins_dir("/nowhere");
    logos.core_set_plugins_dir(modules);
    null_everywhere();
    too_early();
    logos.core_set_module_transports("calc", "[{\"protocol\":\"local\"}]");
    logos.core_start();
    logos.core_set_plugins_dir("/nowhere"); /* too late: an error, and no effect */
    take_text(logos.core_get_last_error(), "set_plugins_dir: StateError");
    modules_by_all_names();
    calls();
    events();
    exec_delivers();
    many_calls(calls_each / 5); /* whatever grows only at first, has */
    long before = resident_kib();
    many_calls(calls_each);
    long growth = resident_kib() - before;
    CHECK(growth < 3000, "%ld KiB more after %d calls", growth, calls_each);
    CHECK(logos.core_unload_plugin("calc") == 1, "unload");

    static Answer late;
    logos.core_async_operation("late", answered, &late);
    logos.core_cleanup();
    logos.core_cleanup();
    logos.core_process_events();
    CHECK(late.times == 0, "called back after cleanup");
}

int main(int argc, char **argv)
{
    struct sigaction before[65], after;
    sigset_t mask_before, mask_after;
    CHECK(argc >= 3, "client LIBRARY MODULES [few|once]");
    modules = argv[2];
    if (argc > 3)
        calls_each = 100;
    if (argc > 3 && strcmp(argv[3], "once") == 0)
        lives = 1;
    for (int number = 1; number < 65; number++)
        sigaction(number, NULL, &before[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    for (int life = 0; life < lives; life++) {
        void *library = open_library(argv[1]);
        one_life(argc, argv);
        calls_each = 100; /* many are made in one life only */
        CHECK(dlclose(library) == 0, "%s", dlerror());
        void *again = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
        CHECK(again != NULL, "dlclose has unloaded it");
        dlclose(again);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    for (int number = 1; number < 65; number++) {
        CHECK(sigaction(number, NULL, &after) != 0 || after.sa_handler == before[number].sa_handler, "signal %d", number);
        CHECK(sigismember(&mask_before, number) == sigismember(&mask_after, number), "mask of signal %d", number);
    }
    puts("done");
    return 0;
}
