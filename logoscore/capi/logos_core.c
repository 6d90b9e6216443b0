/* The C functions. Each calls one function of logoscore.functions; how, is the matter of bridge.c. */
#include "logos_core.h"

#include "bridge.h"

/* --- life --- */

void logos_core_initialize(int argc, char **argv)
{
    logos_set_arguments(argc, argv);
    logos_done("initialize", "");
}

void logos_core_init(int argc, char **argv)
{
    logos_core_initialize(argc, argv);
}

void logos_core_set_plugins_dir(const char *plugins_dir)
{
    logos_done("set_plugins_dir", "s", plugins_dir);
}

void logos_core_add_plugins_dir(const char *plugins_dir)
{
    logos_done("add_plugins_dir", "s", plugins_dir);
}

void logos_core_add_modules_dir(const char *modules_dir)
{
    logos_done("add_plugins_dir", "s", modules_dir);
}

void logos_core_set_persistence_base_path(const char *path)
{
    logos_done("set_persistence_dir", "s", path);
}

void logos_core_set_access_policy(const char *policy_json)
{
    logos_done("set_access_policy", "z", policy_json);
}

void logos_core_set_module_transports(const char *module_name, const char *transport_set_json)
{
    logos_done("set_module_transports", "sz", module_name, transport_set_json);
}

void logos_core_start(void)
{
    logos_take_environment(); /* clients set LOGOS_HOST_PATH after init */
    logos_done("start", "");
}

int logos_core_exec(void)
{
    return logos_number("exec", -1, "");
}

void logos_core_quit(int code)
{
    logos_done("quit", "i", code);
}

void logos_core_process_events(void)
{
    logos_done("process_events", "");
}

void logos_core_cleanup(void)
{
    logos_done("cleanup", "");
}

/* --- modules --- */

int logos_core_load_plugin(const char *name)
{
    return logos_done("load_plugin", "s", name);
}

int logos_core_load_plugin_with_dependencies(const char *name)
{
    return logos_done("load_plugin", "s", name);
}

int logos_core_unload_plugin(const char *name)
{
    return logos_done("unload_plugin", "s", name);
}

int logos_core_load_module(const char *name, bool with_dependencies)
{
    return logos_done("load_plugin", "sb", name, (int)with_dependencies);
}

int logos_core_unload_module(const char *name, bool with_dependents)
{
    return logos_done("unload_plugin", "sb", name, (int)with_dependents);
}

void logos_core_load_plugin_async(const char *name, LogosCallback callback, void *user_data)
{
    logos_done("load_plugin_async", "zc", name, callback, user_data);
}

char *logos_core_process_plugin(const char *path)
{
    return logos_text("process_plugin", "s", path);
}

char *logos_core_process_module(const char *path)
{
    return logos_text("process_plugin", "s", path);
}

void logos_core_refresh_modules(void)
{
    logos_done("refresh_plugins", "");
}

char **logos_core_get_loaded_plugins(void)
{
    return logos_names("get_loaded_plugins", "");
}

char **logos_core_get_known_plugins(void)
{
    return logos_names("get_known_plugins", "");
}

char **logos_core_get_loaded_modules(void)
{
    return logos_names("get_loaded_plugins", "");
}

char **logos_core_get_known_modules(void)
{
    return logos_names("get_known_plugins", "");
}

char **logos_core_get_module_dependencies(const char *name, bool recursive)
{
    return logos_names("get_plugin_dependencies", "sb", name, (int)recursive);
}

char **logos_core_get_module_dependents(const char *name, bool recursive)
{
    return logos_names("get_plugin_dependents", "sb", name, (int)recursive);
}

char *logos_core_get_modules_info(void)
{
    return logos_text("get_plugins_info", "");
}

char *logos_core_get_module_stats(void)
{
    return logos_text("get_module_stats", "");
}

char *logos_core_get_token(const char *name)
{
    return logos_text("get_token", "s", name);
}

/* --- calls and events --- */

void logos_core_call_plugin_method_async(const char *plugin_name, const char *method_name, const char *params_json,
                                         LogosCallback callback, void *user_data)
{
    logos_done("call_plugin_method_async", "zzzc", plugin_name, method_name, params_json, callback, user_data);
}

void logos_core_register_event_listener(const char *plugin_name, const char *event_name, LogosCallback callback,
                                        void *user_data)
{
    logos_done("register_event_listener", "ssc", plugin_name, event_name, callback, user_data);
}

void logos_core_async_operation(const char *data, LogosCallback callback, void *user_data)
{
    logos_done("async_operation", "zc", data, callback, user_data);
}

char *logos_core_get_last_error(void)
{
    return logos_last_error();
}

/* --- the module client --- */

void logos_module_client_init_with_callbacks(int (*is_plugin_loaded)(const char *),
                                             int (*is_plugin_known)(const char *), int (*load_plugin)(const char *))
{
    (void)is_plugin_loaded;
    (void)is_plugin_known;
    (void)load_plugin;
    logos_done("initialize", "");
}

void logos_module_client_call_method_async(const char *plugin_name, const char *method_name, const char *params_json,
                                           LogosCallback callback, void *user_data)
{
    logos_core_call_plugin_method_async(plugin_name, method_name, params_json, callback, user_data);
}

void logos_module_client_async_operation(const char *data, LogosCallback callback, void *user_data)
{
    logos_core_async_operation(data, callback, user_data);
}

void logos_module_client_load_plugin_async(const char *name, LogosCallback callback, void *user_data)
{
    logos_core_load_plugin_async(name, callback, user_data);
}

void logos_module_client_register_event_listener(const char *plugin_name, const char *event_name,
                                                 LogosCallback callback, void *user_data)
{
    logos_core_register_event_listener(plugin_name, event_name, callback, user_data);
}

void logos_module_client_shutdown(void)
{
    logos_done("clear_event_listeners", "");
}
