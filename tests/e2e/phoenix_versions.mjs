// One version of the official client in Node. Prints one JSON line of what it saw.
// Usage: node --experimental-websocket phoenix_versions.mjs PACKAGE ws://HOST/socket [TOKEN]
import { tell } from "./phoenix_story.mjs";

globalThis.self = globalThis; // where 1.7 looks for what a browser has
const [name, url, token] = process.argv.slice(2);
const { Socket } = await import(name);
console.log(JSON.stringify(await tell(Socket, url, { token })));
process.exit(0);
