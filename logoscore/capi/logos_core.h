/* liblogos_core: modules in processes of their own, for programs in C and whatever can call C.
 *
 * Rules
 * - Every function may be called from any thread. NULL where a text is required makes the function do nothing and return
 *   its failure value. What went wrong on this thread last is told by logos_core_get_last_error().
 * - Callbacks run only inside logos_core_process_events() and logos_core_exec(), on the thread that calls these, exactly
 *   once per call. Their message is valid while they run. After logos_core_cleanup() none runs any more.
 * - Whatever is returned is the caller's: free() it. Of a list of names, free() each name, then the list.
 * - All texts are UTF-8. No signal handler is installed, nothing is written to stdout.
 */
#ifndef LOGOS_CORE_H
#define LOGOS_CORE_H

#include <stdbool.h>

#if defined(__GNUC__)
#define LOGOS_API __attribute__((visibility("default")))
#else
#define LOGOS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* result: 1 success, 0 failure. message: never NULL. */
typedef void (*LogosCallback)(int result, const char *message, void *user_data);

/* --- life ------------------------------------------------------------------------------------------------------- */

/* Both names do the same, and are optional; argv[0] says where the application is. Idempotent until cleanup. */
LOGOS_API void logos_core_init(int argc, char **argv);
LOGOS_API void logos_core_initialize(int argc, char **argv);

/* Before start. The newer name of add_plugins_dir is add_modules_dir. Added after start: see refresh_modules. */
LOGOS_API void logos_core_set_plugins_dir(const char *plugins_dir);
LOGOS_API void logos_core_add_plugins_dir(const char *plugins_dir);
LOGOS_API void logos_core_add_modules_dir(const char *modules_dir);

/* Before start: where modules may keep files, each in a folder of its own. */
LOGOS_API void logos_core_set_persistence_base_path(const char *path);

/* Before start: {"version": 1, "mode": "enforce", "restrictions": {"target": {"allowedCallers": ["caller"]}}}.
 * The program itself is the caller "core". NULL or "": the default policy. What cannot be read lets nobody in. */
LOGOS_API void logos_core_set_access_policy(const char *policy_json);

/* [{"protocol": "local"}], NULL or "": modules are reached over shared memory; other wishes are an error. */
LOGOS_API void logos_core_set_module_transports(const char *module_name, const char *transport_set_json);

/* What the environment says now counts (LOGOS_HOST_PATH, say). */
LOGOS_API void logos_core_start(void);

/* Deliver callbacks as they come due, until quit or cleanup; returns the code given to quit. */
LOGOS_API int logos_core_exec(void);
LOGOS_API void logos_core_quit(int code);

/* Deliver the callbacks that are due, without waiting. */
LOGOS_API void logos_core_process_events(void);

/* Unload everything, end every process. Afterwards init may begin anew. */
LOGOS_API void logos_core_cleanup(void);

/* --- modules ---------------------------------------------------------------------------------------------------- */

/* 1: done (load: also if it was loaded already), 0: not. Dependencies are loaded first, dependents unloaded first. */
LOGOS_API int logos_core_load_plugin(const char *name);
LOGOS_API int logos_core_load_plugin_with_dependencies(const char *name);
LOGOS_API int logos_core_unload_plugin(const char *name);
/* With false, what the module depends on must be loaded already, and what depends on it unloaded. */
LOGOS_API int logos_core_load_module(const char *name, bool with_dependencies);
LOGOS_API int logos_core_unload_module(const char *name, bool with_dependents);
LOGOS_API void logos_core_load_plugin_async(const char *name, LogosCallback callback, void *user_data);

/* Make the module at path known (its folder or a file of it); returns its name, or NULL. */
LOGOS_API char *logos_core_process_plugin(const char *path);
LOGOS_API char *logos_core_process_module(const char *path);

/* Scan the directories again. */
LOGOS_API void logos_core_refresh_modules(void);

/* Lists of names that end with NULL; never NULL themselves. Of an unknown module: empty. */
LOGOS_API char **logos_core_get_loaded_plugins(void);
LOGOS_API char **logos_core_get_known_plugins(void);
LOGOS_API char **logos_core_get_loaded_modules(void);
LOGOS_API char **logos_core_get_known_modules(void);
LOGOS_API char **logos_core_get_module_dependencies(const char *name, bool recursive);
LOGOS_API char **logos_core_get_module_dependents(const char *name, bool recursive);

/* [{"name", "path", "loaded", "loaded_at", "dependencies", "dependents", "metadata", "state", "pid"}, ...] */
LOGOS_API char *logos_core_get_modules_info(void);

/* [{"name", "cpu_percent", "cpu_time_seconds", "memory_mb", ...}, ...] of the loaded modules, or NULL. */
LOGOS_API char *logos_core_get_module_stats(void);

/* The token of a loaded module, or NULL. It is a secret. */
LOGOS_API char *logos_core_get_token(const char *name);

/* --- calls and events ------------------------------------------------------------------------------------------- */

/* params_json: [{"name": "x", "value": "5", "type": "int"}, ...] with the types string, int, float, double, bool, json and
 * bytes (base64), or a plain array of values; NULL: no arguments.
 * message: "Method call successful. Result: <value>", or what went wrong. */
LOGOS_API void logos_core_call_plugin_method_async(const char *plugin_name, const char *method_name,
                                                   const char *params_json, LogosCallback callback, void *user_data);

/* message: {"event": "name", "data": [...]}. May come before the module is loaded; lasts until cleanup. */
LOGOS_API void logos_core_register_event_listener(const char *plugin_name, const char *event_name,
                                                  LogosCallback callback, void *user_data);

/* An example of a callback. */
LOGOS_API void logos_core_async_operation(const char *data, LogosCallback callback, void *user_data);

/* What the last function that failed on this thread could not do and why, or NULL. */
LOGOS_API char *logos_core_get_last_error(void);

/* --- the module client, which is the same library --------------------------------------------------------------- */

/* Accepted for clients that give them; not called, since the core is in this library and can be asked itself. */
LOGOS_API void logos_module_client_init_with_callbacks(int (*is_plugin_loaded)(const char *),
                                                       int (*is_plugin_known)(const char *),
                                                       int (*load_plugin)(const char *));
LOGOS_API void logos_module_client_call_method_async(const char *plugin_name, const char *method_name,
                                                     const char *params_json, LogosCallback callback, void *user_data);
LOGOS_API void logos_module_client_async_operation(const char *data, LogosCallback callback, void *user_data);
LOGOS_API void logos_module_client_load_plugin_async(const char *name, LogosCallback callback, void *user_data);
LOGOS_API void logos_module_client_register_event_listener(const char *plugin_name, const char *event_name,
                                                           LogosCallback callback, void *user_data);
/* Ends all event listeners. */
LOGOS_API void logos_module_client_shutdown(void);

#ifdef __cplusplus
}
#endif

#endif
