'use strict';
// What an Electron app's main process does: start the core, pump it from a timer, serve windows. The "window" here is a
// function that gets answers the way a renderer gets them over ipcMain.handle.
//
//   python -m logoscore.capi --output build && cd examples/electron-like && npm install && node main.js ../../build
const path = require('node:path');
const { Logos } = require('./logos.js');

async function main() {
  const root = path.resolve(process.argv[2] ?? 'build');
  const logos = new Logos(root, path.join(__dirname, '..', 'hello', 'modules')).pump();
  const greeter = logos.load('greeter');

  const handlers = { greet: (name) => greeter.greet(name) }; // ipcMain.handle('greet', …)
  const invoke = (channel, ...args) => handlers[channel](...args); // ipcRenderer.invoke('greet', …)

  const heard = new Promise((resolve) => logos.on('greeter', 'greeted', resolve));
  console.log(await invoke('greet', 'world'));
  console.log('heard:', await heard);
  logos.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
