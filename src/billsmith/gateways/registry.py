"""Which gateways there are: the built-in ones, and those of plugins. A plugin that fails is named, and stops nobody."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import msgspec

from billsmith.errors import NotFound
from billsmith.gateways.port import Gateway

GROUP = "billsmith.gateways"
PORT = tuple(sorted(name for name in vars(Gateway) if not name.startswith("_")))
"""Everything that a gateway must have."""


class NoSuchGateway(NotFound):
    """No gateway of that name is installed, or its plugin could not be loaded."""

    code = "no_such_gateway"


class BrokenPlugin(msgspec.Struct, frozen=True):
    """A plugin that could not be used, and why."""

    name: str
    distribution: str
    reason: str


class Registry(msgspec.Struct, frozen=True):
    """Gateways by name, and what could not be loaded."""

    gateways: Mapping[str, Gateway]
    broken: tuple[BrokenPlugin, ...] = ()

    def gateway(self, name: str) -> Gateway:
        """The gateway of that name. Raises NoSuchGateway, with the reason where its plugin is broken."""
        if name in self.gateways:
            return self.gateways[name]
        for plugin in self.broken:
            if plugin.name == name:
                raise NoSuchGateway(f"the plugin of the gateway {name!r} can't be used: {plugin.reason}")
        raise NoSuchGateway(f"there is no gateway {name[:60]!r}; there is {', '.join(sorted(self.gateways))}")


def load_gateways(built_in: Iterable[Gateway], plugins: Iterable[EntryPoint] | None = None) -> Registry:
    """The built-in gateways and those that installed distributions offer as entry points `billsmith.gateways`.

    An entry point names a class or function that makes the gateway without arguments.
    """
    gateways = {gateway.name: gateway for gateway in built_in}
    broken = []
    for plugin in sorted(entry_points(group=GROUP) if plugins is None else plugins, key=lambda one: one.name):
        made = _made(plugin, gateways)
        if isinstance(made, BrokenPlugin):
            broken.append(made)
        else:
            gateways[plugin.name] = made
    return Registry(gateways, tuple(broken))


def _made(plugin: EntryPoint, taken: Mapping[str, Gateway]) -> Gateway | BrokenPlugin:
    distribution = plugin.dist.name if plugin.dist is not None else "unknown"
    if plugin.name in taken:
        return BrokenPlugin(plugin.name, distribution, "another gateway has this name already")
    try:
        gateway: Gateway = plugin.load()()
        missing = [member for member in PORT if not hasattr(gateway, member)]
        name = gateway.name
    except Exception as error:  # noqa: BLE001  a plugin may fail in any way: it is named, the others work
        return BrokenPlugin(plugin.name, distribution, f"{type(error).__name__}: {error}")
    if missing:
        return BrokenPlugin(plugin.name, distribution, f"it lacks {', '.join(missing)}")
    if name != plugin.name:
        return BrokenPlugin(plugin.name, distribution, f"it calls itself {name!r}")
    return gateway
