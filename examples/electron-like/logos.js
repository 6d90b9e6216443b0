'use strict';
// liblogos_core in JavaScript: promises for calls, callbacks for events. As in Electron, one thread does everything: it
// pumps from a timer, and the library calls back only while it is pumped.
const koffi = require('koffi');

const library = process.platform === 'darwin' ? 'liblogos_core.dylib' : 'liblogos_core.so';
const Callback = koffi.proto('void LogosCallback(int result, const char *message, void *user_data)');
// What is returned is ours: the text is copied, then freed.
koffi.disposable('LogosText', 'char *');
const PREFIX = 'Method call successful. Result: ';

function bind(root) {
  const lib = koffi.load(`${root}/lib/${library}`);
  const core = (signature) => lib.func(signature);
  return {
    init: core('void logos_core_init(int argc, void *argv)'),
    addPluginsDir: core('void logos_core_add_plugins_dir(const char *dir)'),
    start: core('void logos_core_start()'),
    cleanup: core('void logos_core_cleanup()'),
    processEvents: core('void logos_core_process_events()'),
    load: core('int logos_core_load_plugin(const char *name)'),
    unload: core('int logos_core_unload_plugin(const char *name)'),
    processPlugin: core('LogosText logos_core_process_plugin(const char *path)'),
    modulesInfo: core('LogosText logos_core_get_modules_info()'),
    lastError: core('LogosText logos_core_get_last_error()'),
    call: core(
      'void logos_core_call_plugin_method_async(const char *plugin, const char *method, const char *params, LogosCallback *callback, void *user_data)',
    ),
    listen: core(
      'void logos_core_register_event_listener(const char *plugin, const char *event, LogosCallback *callback, void *user_data)',
    ),
  };
}

/** One value of JavaScript as a parameter that arrives as what it is. */
function parameter(value, index) {
  const name = `arg${index}`;
  if (typeof value === 'bigint') return { name, type: 'int', value: String(value) };
  if (value instanceof Uint8Array) return { name, type: 'bytes', value: Buffer.from(value).toString('base64') };
  if (typeof value === 'number' && !Number.isInteger(value)) return { name, type: 'double', value: String(value) };
  if (typeof value === 'string') return { name, type: 'string', value };
  return { name, type: 'json', value: JSON.stringify(value ?? null) };
}

/** What a call brought: JSON where it is JSON, text where it is text. */
function result(message) {
  const text = message.slice(PREFIX.length);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

class Logos {
  /**
   * @param {string} root where `python -m logoscore.capi --output` put the library
   * @param {string} modules a directory of modules
   */
  constructor(root, modules) {
    this.core = bind(root);
    this.nextId = 1n; // a pointer, for koffi
    this.calls = new Map();
    // One callback for all calls: user_data says which. Registering one for each would soon run out of them.
    this.answered = koffi.register((status, message, userData) => {
      const { resolve, reject } = this.calls.get(userData);
      this.calls.delete(userData);
      if (status === 1) resolve(result(message));
      else reject(new Error(message));
    }, koffi.pointer(Callback));
    this.listeners = [];
    this.core.init(0, null);
    this.core.addPluginsDir(modules);
    this.core.start();
  }

  /** Let callbacks run every `milliseconds`; the timer alone keeps no program alive. */
  pump(milliseconds = 20) {
    this.timer = setInterval(() => this.core.processEvents(), milliseconds);
    return this;
  }

  /** Load a module; gives an object whose methods are the module's, each returning a promise. */
  load(name) {
    if (this.core.load(name) !== 1) throw new Error(this.core.lastError());
    return this.module(name);
  }

  unload(name) {
    if (this.core.unload(name) !== 1) throw new Error(this.core.lastError());
  }

  modules() {
    return JSON.parse(this.core.modulesInfo());
  }

  module(name) {
    const call = (method) => (...args) => this.call(name, method, args);
    return new Proxy({}, { get: (_, method) => (method === 'then' ? undefined : call(method)) });
  }

  call(module, method, args) {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.calls.set(id, { resolve, reject });
      this.core.call(module, method, JSON.stringify(args.map(parameter)), this.answered, id);
    });
  }

  /** Call `callback(...data)` for each such event. */
  on(module, event, callback) {
    const listener = koffi.register(
      (_, message) => callback(...JSON.parse(message).data),
      koffi.pointer(Callback),
    );
    this.listeners.push(listener);
    this.core.listen(module, event, listener, null);
  }

  close() {
    clearInterval(this.timer);
    this.core.cleanup();
    for (const callback of [this.answered, ...this.listeners]) koffi.unregister(callback);
  }
}

module.exports = { Logos };
