// What the webhook provider does, in JavaScript: the event in an envelope, posted to the config's URL.

import { send } from 'postern:provider/http@0.1.0';

const configSchema = {
  type: 'object',
  required: ['url'],
  properties: { url: { type: 'string', format: 'uri' }, authType: { type: 'string' }, headerName: { type: 'string' } },
};

function message(delivery) {
  return JSON.stringify({
    id: delivery.event.id,
    type: delivery.event.eventType,
    timestamp: delivery.event.timestamp,
    deliveryId: delivery.id,
    attempt: delivery.attempt,
    subscription: { id: delivery.subscription.id, name: delivery.subscription.name },
    data: JSON.parse(delivery.event.payload),
  });
}

export const provider = {
  describe() {
    return {
      id: 'webhook-in-javascript',
      version: '1.0.0',
      displayName: 'Webhook in JavaScript',
      description: 'For the benchmark.',
      config: { version: 1, schema: JSON.stringify(configSchema) },
      hosts: ['{config.url}'],
      implements: {},
      documentation: { headers: [] },
    };
  },

  deliver(delivery) {
    const config = JSON.parse(delivery.config);
    const body = new TextEncoder().encode(message(delivery));
    const headers = [
      { name: 'Content-Type', value: 'application/json' },
      { name: 'X-Event-Type', value: delivery.event.eventType },
      { name: 'X-Delivery-Id', value: delivery.id },
    ];
    if (config.authType === 'header' && !config.headerName) {
      throw { message: 'the name of the header is missing', retry: { tag: 'never' } };
    }
    const response = send({ method: 'POST', url: config.url, headers, body });
    if (response.status < 200 || response.status > 299) {
      throw { message: `the receiver answered ${response.status}`, retry: { tag: 'backoff' } };
    }
    return {};
  },

  testConnection() {
    throw new Error('not implemented');
  },
  listOptions() {
    throw new Error('not implemented');
  },
  migrateConfig() {
    throw new Error('not implemented');
  },
  reconcile() {
    return undefined;
  },
};
