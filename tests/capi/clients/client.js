'use strict';
// A client in the manner of the published JavaScript SDK: it binds every function at once, registers a callback for each
// call, infers types as text, and pumps from a timer. node client.js ROOT MODULES
const assert = require('node:assert');
const path = require('node:path');
const koffi = require('koffi');

const [root, modules] = process.argv.slice(2);
const suffix = process.platform === 'darwin' ? '.dylib' : '.so';
const Async = koffi.proto('void AsyncCallback(int result, const char *message, void *user_data)');
koffi.proto('int HostCallback(const char *name)');

function bind(file, prefix, signatures) {
  const lib = koffi.load(path.join(root, 'lib', file + suffix));
  const bound = {};
  for (const [returned, name, parameters] of signatures) bound[name] = lib.func(`${returned} ${prefix}${name}(${parameters})`);
  return bound;
}

const calling = 'const char *plugin, const char *method, const char *params, AsyncCallback *cb, void *user_data';
const listening = 'const char *plugin, const char *event, AsyncCallback *cb, void *user_data';
const core = bind('liblogos_core', 'logos_core_', [
  ['void', 'init', 'int argc, void *argv'],
  ['void', 'set_plugins_dir', 'const char *dir'],
  ['void', 'add_plugins_dir', 'const char *dir'],
  ['void', 'start', ''],
  ['int', 'exec', ''],
  ['void', 'cleanup', ''],
  ['void *', 'get_loaded_plugins', ''],
  ['void *', 'get_known_plugins', ''],
  ['int', 'load_plugin', 'const char *name'],
  ['int', 'load_plugin_with_dependencies', 'const char *name'],
  ['int', 'unload_plugin', 'const char *name'],
  ['const char *', 'process_plugin', 'const char *path'],
  ['const char *', 'get_token', 'const char *key'],
  ['const char *', 'get_module_stats', ''],
  ['void', 'process_events', ''],
]);
const client = bind('liblogos_module_client', 'logos_module_client_', [
  ['void', 'init_with_callbacks', 'HostCallback *is_loaded, HostCallback *is_known, HostCallback *load'],
  ['void', 'call_method_async', calling],
  ['void', 'async_operation', 'const char *data, AsyncCallback *cb, void *user_data'],
  ['void', 'load_plugin_async', 'const char *name, AsyncCallback *cb, void *user_data'],
  ['void', 'register_event_listener', listening],
  ['void', 'shutdown', ''],
]);

let pumping = false;
function processEvents() {
  pumping = true;
  core.process_events();
  pumping = false;
}

function names(pointer) {
  const found = [];
  for (let index = 0; ; index++) {
    const name = koffi.decode(pointer, index * koffi.sizeof('void *'), 'char *');
    if (!name) return found;
    found.push(name);
  }
}

const unbound = [];
function callback(handle) {
  const registered = koffi.register((result, message) => {
    assert.ok(pumping, `called back outside of process_events: ${message}`);
    handle(result, message);
  }, koffi.pointer(Async));
  return registered;
}

/** A call as a promise: of what stands after the prefix, or rejected with the message. */
function call(plugin, method, ...args) {
  const params = args.map((value, index) => ({ name: `arg${index}`, ...typed(value) }));
  return new Promise((resolve, reject) => {
    let times = 0;
    const registered = callback((result, message) => {
      assert.strictEqual(++times, 1, 'called back twice');
      unbound.push(registered);
      const found = /^Method call successful\. Result: (.+)$/s.exec(message);
      if (result === 1) resolve(found[1]);
      else reject(new Error(message));
    });
    client.call_method_async(plugin, method, JSON.stringify(params), registered, null);
  });
}

function typed(value) {
  if (typeof value === 'boolean') return { type: 'bool', value: String(value) };
  if (typeof value === 'number') return { type: Number.isInteger(value) ? 'int' : 'double', value: String(value) };
  return { type: 'string', value: typeof value === 'string' ? value : JSON.stringify(value) };
}

/** A promise of the next event, and of what it brought. */
function listen(plugin, event) {
  const heard = [];
  const waiting = [];
  const registered = callback((_, message) => (waiting.length ? waiting.shift()(JSON.parse(message)) : heard.push(JSON.parse(message))));
  client.register_event_listener(plugin, event, registered, null);
  return () => (heard.length ? Promise.resolve(heard.shift()) : new Promise((resolve) => waiting.push(resolve)));
}

async function manyCalls(count) {
  for (let done = 0; done < count; done += 100) {
    const calls = Array.from({ length: 100 }, (_, index) => call('calc', 'add', done, index));
    const sums = await Promise.all(calls);
    sums.forEach((sum, index) => assert.strictEqual(Number(sum), done + index));
    // A callback must not be forgotten while it runs.
    for (const registered of unbound.splice(0)) koffi.unregister(registered);
  }
}

async function life(count) {
  core.init(0, null);
  core.set_plugins_dir(modules);
  const known = koffi.register((_name) => 1, koffi.pointer(koffi.resolve('HostCallback')));
  client.init_with_callbacks(known, known, known);
  core.start();
  assert.ok(core.process_plugin(path.join(modules, 'calc', 'calc.module')) === 'calc');
  assert.ok(core.process_plugin(path.join(modules, 'tally_plugin.so')) === 'tally');
  assert.strictEqual(core.process_plugin('/nowhere'), null);
  assert.strictEqual(core.load_plugin('calc'), 1);
  assert.strictEqual(core.load_plugin('nobody'), 0);
  assert.strictEqual(core.load_plugin(null), 0);
  assert.ok(names(core.get_loaded_plugins()).includes('calc') && names(core.get_known_plugins()).includes('tally'));
  assert.strictEqual(core.get_token('calc').length, 36);
  assert.strictEqual(core.get_token('nobody'), null);
  assert.ok(JSON.parse(core.get_module_stats()).some((row) => row.name === 'calc' && row.memory_mb > 1));

  assert.strictEqual(await call('calc', 'add', 5, 3), '8');
  assert.strictEqual(await call('calc', 'kind', 1e21), 'int 1000000000000000000000');
  assert.strictEqual(await call('calc', 'kind', 0.1), 'float 0.1');
  assert.strictEqual(await call('calc', 'echo', true), 'true');
  assert.strictEqual(await call('calc', 'greeting'), 'hello, wörld ☃');
  assert.deepStrictEqual(JSON.parse(await call('calc', 'table')).nested, { ä: 'ö' });
  await assert.rejects(call('calc', 'divide', 1, 0), /calc\.divide raised ZeroDivisionError/);
  await assert.rejects(call('calc', 'missing'), /^Error: Method call returned invalid result: .*missing/);
  await assert.rejects(call('nobody', 'add'), { message: 'Plugin not loaded: nobody' });
  await assert.rejects(call(null, 'add'), { message: 'Plugin name or method name is null' });

  const said = listen('calc', 'said');
  await call('calc', 'emit', 'said', 'a "quoted" word', 2.5);
  assert.deepStrictEqual(await said(), { event: 'said', data: ['a "quoted" word', 2.5] });
  await assert.rejects(call('calc', 'die'), /SIGSEGV/);
  await assert.rejects(call('calc', 'add', 1, 2), { message: 'Plugin not loaded: calc' });
  assert.strictEqual(core.load_plugin_with_dependencies('tally'), 1);
  assert.strictEqual(await call('tally', 'total'), '0');
  await call('calc', 'emit', 'said', 'again');
  assert.deepStrictEqual(await said(), { event: 'said', data: ['again'] });

  await manyCalls(count / 5); // whatever grows only at first, has
  const before = process.memoryUsage().rss;
  await manyCalls(count);
  const grown = (process.memoryUsage().rss - before) / 1024;
  assert.ok(grown < 20000, `${grown} KiB more after ${count} calls`); // V8's heap breathes
  assert.strictEqual(core.unload_plugin('calc'), 1);
  assert.strictEqual(core.load_plugin('calc'), 1);
  assert.strictEqual(await call('calc', 'add', 1, 2), '3');
  assert.strictEqual(core.unload_plugin('calc'), 1);
  client.shutdown();
  core.cleanup();
  koffi.unregister(known);
}

async function main() {
  const timer = setInterval(processEvents, 2);
  await life(10000);
  await life(500);
  clearInterval(timer);
  console.log('done');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
