// The example provider with `http.send` of the contract: the host says what went wrong, and whether the request was sent.

import { send } from 'postern:provider/http@0.1.0';
import { write } from 'postern:provider/log@0.1.0';
import { externalId, failure, manifest, message, unused } from './service.js';

export const provider = {
  ...unused,

  describe: () => manifest('example-javascript', 'Example in JavaScript'),

  deliver(delivery) {
    const config = JSON.parse(delivery.config);
    // Nothing is given away: where the key should be, a provider sees a placeholder.
    write('debug', `delivering ${delivery.event.eventType} with ${delivery.config}`);
    const { status, text } = request(config, {
      method: 'POST',
      url: config.apiEndpoint,
      headers: [{ name: 'Content-Type', value: 'application/json' }],
      body: new TextEncoder().encode(message(delivery, config)),
      timeoutMilliseconds: config.timeout,
    });
    if (status < 200 || status > 299) throw failure(status, text);
    return { externalId: externalId(text) };
  },

  testConnection(settings) {
    const config = JSON.parse(settings.config);
    const url = `${config.apiEndpoint}/health`;
    const { status, text } = request(config, { method: 'GET', url, headers: [], timeoutMilliseconds: 5000 });
    if (status < 200 || status > 299) throw failure(status, text);
    return 'the service answers';
  },
};

function request({ apiKey }, { headers, ...rest }) {
  try {
    const response = send({ ...rest, headers: [...headers, { name: 'Authorization', value: `Bearer ${apiKey}` }] });
    return { status: response.status, text: new TextDecoder().decode(response.body) };
  } catch ({ payload: { message } }) {
    throw new Error(message);
  }
}
