## The smallest app in Nim: one module in a process of its own, one call, one event.
##
##   python -m logoscore.capi --output build && nim c -r examples/nim/app.nim build
import std/[asyncdispatch, json, os]
import logos

const
  Here = currentSourcePath().parentDir()
  Library = when defined(macosx): "liblogos_core.dylib" else: "liblogos_core.so"

proc main() =
  let core = newLogos(paramStr(1) / "lib" / Library, Here.parentDir() / "hello" / "modules")
  core.load("greeter")

  var open = 2
  core.on("greeter", "greeted") do (data: JsonNode):
    echo "heard: ", data[0].getStr()
    dec open
  core.call("greeter", "greet", %*["world"]) do (ok: bool, message: string):
    echo message
    dec open

  # The app's own loop: what pumps is one more thing that it does, as a GUI's timer would.
  proc pump() {.async.} =
    while open > 0:
      core.poll()
      await sleepAsync(10)
  waitFor pump()
  core.close()

main()
