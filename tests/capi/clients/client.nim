## Everything a client in Nim does, twice, with dlclose between: client LIBRARY MODULES
import std/[json, os, strutils, times]
import logos

const Longest = 50.0 # seconds that anything may take before it counts as never

let modules = paramStr(2)

proc residentKib(): int =
  readFile("/proc/self/statm").splitWhitespace()[1].parseInt * 4

template wait(core: Logos, condition: untyped) =
  let patience = epochTime() + Longest
  while not condition:
    core.poll()
    doAssert epochTime() < patience, astToStr(condition)

proc ask(core: Logos, module, name: string, params: JsonNode): tuple[ok: bool, message: string] =
  var times = 0
  var got: tuple[ok: bool, message: string]
  core.call(module, name, params) do (ok: bool, message: string):
    inc times
    got = (ok, message)
  doAssert times == 0, "called back outside of poll"
  core.wait(times > 0)
  doAssert times == 1
  got

proc manyCalls(core: Logos, count: int) =
  for done in countup(0, count - 1, 100):
    var open = 100
    for index in 0 ..< 100:
      core.call("calc", "add", %*[done, 1]) do (ok: bool, message: string):
        doAssert ok and message == $(done + 1), message
        dec open
    core.wait(open == 0)

proc life(count: int) =
  let core = newLogos(paramStr(1), modules)
  doAssert core.process(modules / "calc_plugin.so") == "calc"
  doAssert core.process("/nowhere_plugin.so") == ""
  core.load("calc")
  doAssertRaises(IOError): core.load("nobody")

  doAssert core.ask("calc", "add", %*[5, 3]) == (true, "8")
  doAssert core.ask("calc", "kind", %*[9007199254740993]) == (true, "int 9007199254740993")
  doAssert core.ask("calc", "kind", %*[{"name": "x", "value": "AP8=", "type": "bytes"}]) == (true, "bytes b'\\x00\\xff'")
  doAssert core.ask("calc", "greeting", %*[]) == (true, "hello, wörld ☃")
  doAssert core.ask("calc", "table", %*[]).message.parseJson["nested"]["ä"].getStr == "ö"
  doAssert core.ask("calc", "add", %*[{"name": "left", "value": "x", "type": "int"}]) == (false, "Invalid parameter: left")
  doAssert core.ask("nobody", "add", %*[]) == (false, "Plugin not loaded: nobody")
  doAssert "ZeroDivisionError" in core.ask("calc", "divide", %*[1, 0]).message

  var heard: seq[JsonNode]
  core.on("calc", "said") do (data: JsonNode): heard.add data
  discard core.ask("calc", "emit", %*["said", "a \"quoted\" word", 2.5])
  core.wait(heard.len == 1)
  doAssert heard[0] == %*["a \"quoted\" word", 2.5]
  let crash = core.ask("calc", "die", %*[])
  doAssert not crash.ok and "SIGSEGV" in crash.message, crash.message
  doAssert core.ask("calc", "add", %*[1, 2]) == (false, "Plugin not loaded: calc")
  core.load("calc")
  discard core.ask("calc", "emit", %*["said", "again"])
  core.wait(heard.len == 2)

  core.manyCalls(count div 5) # whatever grows only at first, has
  let before = residentKib()
  core.manyCalls(count)
  let grown = residentKib() - before
  doAssert grown < 4000, $grown & " KiB more after " & $count & " calls"
  core.unload("calc")
  core.load("calc")
  doAssert core.ask("calc", "add", %*[1, 2]) == (true, "3")
  core.unload("calc")
  core.close()

life(10000)
life(500)
echo "done"
