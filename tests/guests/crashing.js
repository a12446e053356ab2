// The example with a fault: it looks for something in its settings that is not there.

import { provider as example } from './with-send.js';

export const provider = {
  ...example,

  deliver(delivery) {
    return { externalId: JSON.parse(delivery.config).colour.name };
  },

  testConnection(settings) {
    return JSON.parse(settings.config).colour.name;
  },
};
