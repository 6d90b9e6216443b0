## liblogos_core in Nim: calls answered through closures, on the thread that pumps.
##
## The library is opened at run time. Whoever calls `poll` in a loop of his own (a GUI's timer, asyncdispatch's `addTimer`)
## gets every answer there; nothing calls back from another thread, so nothing here needs a lock.
import std/[dynlib, json, tables]

type
  Answer* = proc (ok: bool, message: string)
  Listener* = proc (data: JsonNode)
  CallbackC = proc (status: cint, message: cstring, userData: pointer) {.cdecl.}
  Logos* = ref object
    lib: LibHandle
    process: proc () {.cdecl.}
    loadPlugin, unloadPlugin: proc (name: cstring): cint {.cdecl.}
    processPlugin: proc (path: cstring): cstring {.cdecl.}
    lastError: proc (): cstring {.cdecl.}
    callMethod: proc (module, name, params: cstring, callback: CallbackC, userData: pointer) {.cdecl.}
    register: proc (module, event: cstring, callback: CallbackC, userData: pointer) {.cdecl.}
    finish: proc () {.cdecl.}

const Prefix = "Method call successful. Result: "

# What a callback gets back is a number, so the garbage collector may do with the closures what it likes.
var
  answers: Table[int, Answer]
  listeners: Table[int, Listener]
  lastId = 0

proc free(memory: pointer) {.importc, header: "<stdlib.h>".}

proc take(text: cstring): string =
  ## What the library returns is ours.
  if not text.isNil:
    result = $text
    free(text)

proc answered(status: cint, message: cstring, userData: pointer) {.cdecl.} =
  var answer: Answer
  if answers.pop(cast[int](userData), answer):
    answer(status == 1, $message)

proc heard(status: cint, message: cstring, userData: pointer) {.cdecl.} =
  listeners[cast[int](userData)](parseJson($message)["data"])

proc bindTo[T](lib: LibHandle, target: var T, name: string) =
  let address = lib.symAddr(cstring("logos_core_" & name))
  if address.isNil:
    raise newException(LibraryError, "the library has no logos_core_" & name)
  target = cast[T](address)

proc newLogos*(library, modules: string): Logos =
  ## Start a core over the modules in the directory `modules`.
  result = Logos(lib: loadLib(library))
  if result.lib.isNil:
    raise newException(LibraryError, "cannot open " & library)
  var
    init: proc (argc: cint, argv: pointer) {.cdecl.}
    setPluginsDir: proc (path: cstring) {.cdecl.}
    start: proc () {.cdecl.}
  result.lib.bindTo(init, "init")
  result.lib.bindTo(setPluginsDir, "set_plugins_dir")
  result.lib.bindTo(start, "start")
  result.lib.bindTo(result.process, "process_events")
  result.lib.bindTo(result.loadPlugin, "load_plugin")
  result.lib.bindTo(result.unloadPlugin, "unload_plugin")
  result.lib.bindTo(result.processPlugin, "process_plugin")
  result.lib.bindTo(result.lastError, "get_last_error")
  result.lib.bindTo(result.callMethod, "call_plugin_method_async")
  result.lib.bindTo(result.register, "register_event_listener")
  result.lib.bindTo(result.finish, "cleanup")
  init(0, nil)
  setPluginsDir(modules)
  start()

proc poll*(logos: Logos) =
  ## Let the callbacks that are due run, here.
  logos.process()

proc load*(logos: Logos, name: string) =
  ## Load a module, with what it depends on.
  if logos.loadPlugin(name) != 1:
    raise newException(IOError, take(logos.lastError()))

proc unload*(logos: Logos, name: string) =
  if logos.unloadPlugin(name) != 1:
    raise newException(IOError, take(logos.lastError()))

proc process*(logos: Logos, path: string): string =
  ## Make a module known; its name, or "".
  take(logos.processPlugin(path))

proc call*(logos: Logos, module, name: string, params: JsonNode, answer: Answer) =
  ## Call a method with an array of values. `answer` gets the result as text, or what went wrong.
  inc lastId
  answers[lastId] = proc (ok: bool, message: string) =
    answer(ok, if ok: message[Prefix.len .. ^1] else: message)
  logos.callMethod(module, name, cstring($params), answered, cast[pointer](lastId))

proc on*(logos: Logos, module, event: string, listener: Listener) =
  ## Call `listener` with the data of each such event.
  inc lastId
  listeners[lastId] = listener
  logos.register(module, event, heard, cast[pointer](lastId))

proc close*(logos: Logos) =
  ## Unload everything. What has not been answered by now never is.
  logos.finish()
  unloadLib(logos.lib)
  answers.clear()
  listeners.clear()
