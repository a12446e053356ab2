// What both providers have in common: what they say of themselves, the message, and how a failure reads.

const config = {
  type: 'object',
  required: ['apiEndpoint', 'apiKey'],
  additionalProperties: false,
  properties: {
    apiEndpoint: {
      type: 'string',
      format: 'uri',
      maxLength: 8000,
      title: 'API endpoint',
      description: 'Where events are posted to, https://api.example.com/v1/events say. Below it, /health is asked when settings are tried.',
    },
    apiKey: {
      type: 'string',
      writeOnly: true,
      minLength: 1,
      title: 'API key',
      description: 'What the service knows this subscription by; sent as a bearer token.',
    },
    timeout: {
      type: 'integer',
      minimum: 1000,
      maximum: 60000,
      default: 10000,
      title: 'Timeout',
      description: 'How long to wait for the answer, in milliseconds.',
    },
    priority: {
      type: 'string',
      enum: ['low', 'medium', 'high'],
      default: 'medium',
      title: 'Priority',
      description: 'How urgent the service should take these events.',
    },
  },
};

export function manifest(id, displayName) {
  return {
    id,
    version: '1.0.0',
    displayName,
    description: 'Posts each event as JSON to a service that knows its callers by an API key.',
    icon: 'bell',
    config: { version: 1, schema: JSON.stringify(config) },
    hosts: ['{config.apiEndpoint}'],
    implements: { testConnection: true },
    documentation: {
      setupGuide: 'Make an API key in the service, and enter it here together with the URL that takes events.',
      examplePayload: JSON.stringify(
        {
          event_type: 'incident.incident.created',
          timestamp: '2026-01-02T03:04:05.678Z',
          delivery_id: 'the same on every attempt',
          subscription_name: 'On call',
          priority: 'medium',
          data: { title: 'It burns' },
        },
        null,
        2,
      ),
      headers: [{ name: 'Authorization', description: 'Bearer, and the API key' }],
    },
  };
}

export function message({ id, event, subscription }, { priority }) {
  return JSON.stringify({
    event_type: event.eventType,
    timestamp: event.timestamp,
    delivery_id: id,
    subscription_name: subscription.name,
    priority,
    data: JSON.parse(event.payload, exactly),
  });
}

// Numbers as they were written: JavaScript's own are exact only up to 2^53.
function exactly(key, value, { source }) {
  return typeof value === 'number' ? JSON.rawJSON(source) : value;
}

// What the service calls the thing that it made, if it says so in at most 256 bytes.
export function externalId(text) {
  try {
    const { id } = JSON.parse(text);
    const fits = typeof id === 'string' && id !== '' && new TextEncoder().encode(id).length <= 256;
    return fits ? id : undefined;
  } catch {
    return undefined;
  }
}

// An answer that is no success. Whether and when to try again, the host reads from the answer itself.
export function failure(status, text) {
  return new Error(`the service answered HTTP ${status}: ${text.slice(0, 200)}`);
}

// The exports that the manifest does not claim are never called, but have to be there.
export const unused = {
  listOptions() {
    throw new Error('there are no options');
  },
  migrateConfig() {
    throw new Error('there is no older version');
  },
  reconcile() {
    return undefined;
  },
};
