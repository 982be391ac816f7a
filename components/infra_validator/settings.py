"""How the exported model is tried in a server."""

from components.settings import Positive, PositiveInt, Section


class InfraValidatorConfig(Section):
    """How the exported model is tried in a server before it may be pushed."""

    images: PositiveInt = 4
    """Test images (or points) sent to each endpoint."""

    timeout_seconds: Positive = 120.0
    """Seconds for the server to start and to answer, all together."""
