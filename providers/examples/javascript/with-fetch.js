// The example provider with `fetch`, as it would be written for any other place. Its requests go through the same broker.

import { write } from 'postern:provider/log@0.1.0';
import { externalId, failure, manifest, message, unused } from './service.js';

export const provider = {
  ...unused,

  describe: () => manifest('example-javascript-fetch', 'Example in JavaScript with fetch'),

  async deliver(delivery) {
    const config = JSON.parse(delivery.config);
    // Nothing is given away: where the key should be, a provider sees a placeholder.
    write('debug', `delivering ${delivery.event.eventType} with ${delivery.config}`);
    const response = await request(config, config.apiEndpoint, config.timeout, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: message(delivery, config),
    });
    if (!response.ok) throw failure(response.status, await text(response));
    return { externalId: externalId(await text(response)) };
  },

  async testConnection(settings) {
    const config = JSON.parse(settings.config);
    const response = await request(config, `${config.apiEndpoint}/health`, 5000, { method: 'GET' });
    if (!response.ok) throw failure(response.status, await text(response));
    return 'the service answers';
  },
};

async function request({ apiKey }, url, timeout, { headers, ...rest }) {
  try {
    return await fetch(url, {
      ...rest,
      headers: { ...headers, Authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(timeout),
    });
  } catch (error) {
    // `fetch` does not tell what went wrong; the host does, in the attempt's log and exchanges.
    throw new Error(`no answer: ${error}`);
  }
}

// What stands in an answer; nothing if that is more than the host takes.
function text(response) {
  return response.text().catch(() => '');
}
