"""How an object arrives when no annotation says its type: a dict that also answers attribute access."""

from __future__ import annotations

from typing import Any


class AttributeDict(dict[str, Any]):
    """A JSON object: `order["cost"]` and `order.cost` are the same.

    It is a `dict` in every respect, so the names of dict methods stay methods: a key called `items` is
    reached as `order["items"]`. (If the key won, `json.dumps(order)`, and with it every HTTP client, would
    break on such a payload.) Special names (`__x__`) are never looked up among the keys.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if not _is_special(name):
            try:
                return self[name]
            except KeyError:
                pass
        keys = ", ".join(map(repr, self)) or "none"
        raise AttributeError(f"the payload has no key {name!r}; its keys: {keys}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_special(name) or hasattr(dict, name):
            raise AttributeError(f"{name!r} is a method of dict; write payload[{name!r}] = ... instead")
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"the payload has no key {name!r}", name=name, obj=self)
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(key for key in self if key.isidentifier())]

    def copy(self) -> AttributeDict:
        return AttributeDict(self)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
