"""The example with a fault: it looks for something in its settings that is not there. `example` is what it was made of."""

import json

from example import Provider as Example
from wit_world.imports import types


class Provider(Example):
    def deliver(self, delivery: types.Delivery) -> types.Receipt:
        return types.Receipt(json.loads(delivery.config)["colour"])
