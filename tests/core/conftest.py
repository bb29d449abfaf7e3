"""How hard the properties of core are tried: enough to find a wrong cent, in under ten seconds for all of them."""

from hypothesis import HealthCheck, settings

settings.register_profile("core", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("core")
