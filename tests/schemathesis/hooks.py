"""What schemathesis cannot know by itself."""

import schemathesis
from hypothesis import strategies

# A component is no JSON: any bytes do, since what is no component is refused all the same.
schemathesis.openapi.media_type("application/wasm", strategies.binary())
