// node build.mjs SOURCE OUTPUT [FEATURE…]: makes a component of a provider and of what it imports, with the contract in wit/.
//
// It gets of WASI what is named: random, stdio, clocks, http, fetch-event (`fetch` needs the last two). Without stdio nobody sees what
// an exception says, and without clocks no time passes.

import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';
import { rolldown } from 'rolldown';

const [source, target, ...features] = process.argv.slice(2);

const bundle = await rolldown({ input: source, external: /^postern:/ });
const { output: [{ code }] } = await bundle.generate({ format: 'esm' });

const { component } = await componentize(code, {
  witPath: 'wit',
  worldName: 'integration-provider',
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'].filter((feature) => !features.includes(feature)),
});
await writeFile(target, component);
