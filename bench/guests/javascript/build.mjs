// node build.mjs OUTPUT: makes a component of provider.js with the contract, which lies beside it as provider.wit.

import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { component } = await componentize({
  sourcePath: here('provider.js'),
  witPath: here('provider.wit'),
  worldName: 'integration-provider',
  // It needs nothing of WASI, and so gets nothing of it.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(process.argv[2], component);
