"""Native text in two parts: the listing of keys and, below a mark, the firewall script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.finding import Code
from compiler.toggles import nvram, script
from compiler.toggles.script import Place, Rule


@dataclass(frozen=True, slots=True)
class ScriptText:
    """What a router prints whose script has this place."""

    place: Place

    @property
    def switch(self) -> dict[str, str]:
        """The key and value without which the router does not run the script, if there is one."""
        return dict([self.place.enabled] if self.place.enabled else [])

    @property
    def reading(self) -> str:
        """The lines of a read step that print the mark and the script."""
        name, mark = self.place.name, self.place.mark
        if self.place.shebang:
            return f"if [ -f {name} ]; then echo {mark}; cat {name}; fi\n"
        return f"echo {mark}\nnvram get {name} 2>/dev/null || :\n"

    def write(self, keys: Mapping[str, str], rules: Iterable[Rule]) -> str:
        """Print the keys, then, with rules, the script that holds them."""
        rules = tuple(rules)
        if not rules:
            return nvram.write(keys)
        return self.joined(nvram.write({**keys, **self.switch}), self.place.script(rules))

    def joined(self, listing: str, start: str) -> str:
        """Put a script below a listing."""
        return f"{listing}{self.place.mark}\n{start}"

    def plain(self, native: str) -> str:
        """Undo what a terminal does to lines, where a script follows."""
        mark = f"\n{self.place.mark}\n"
        if mark in native:
            return native
        cleaned = "\n".join(map(nvram.clean, native.split("\n")))
        return cleaned if mark in cleaned else native

    def split(self, native: str) -> tuple[str, str]:
        """Split a native text into the listing and the script after it.

        Raises:
            NativeError: T407, the script stands among the keys.
        """
        listing, mark, start = native.partition(f"\n{self.place.mark}\n")
        if mark:
            return f"{listing}\n", start
        if script.BEGIN in native:
            raise NativeError.of(
                Code.T407,
                f"where {self.place.name} begins and ends in this listing is not clear",
                hint=f"read it with the procedure's own step, which marks it {self.place.mark}",
            )
        return native, ""

    def listing_only(self, device: Device) -> Device:
        """Give the device with the listing alone of an observed text."""
        observed = device.options.get("observed")
        if not isinstance(observed, str) or f"\n{self.place.mark}\n" not in observed:
            return device
        return replace(device, options={**device.options, "observed": self.split(observed)[0]})

    def must_end_the_listing(self, listing: str) -> None:
        """See that a script without a mark is not among the keys.

        Raises:
            NativeError: T407.
        """
        if not nvram.read(listing, ()).get(self.place.name):
            return
        raise NativeError.of(
            Code.T407,
            f"the listing gives {self.place.name} among other keys, so its end is not certain",
            hint=f"read it with the procedure's own step, which puts it below {self.place.mark}",
        )

    def among_keys(self, listing: str) -> bool:
        """Tell whether the listing holds the script among its keys, where its end is open."""
        keys = nvram.read(listing, ()) if "\n" in listing else {}
        return bool(keys.get(self.place.name, "").strip())

    def may_run_unseen(self, listing: str) -> bool:
        """Tell whether the router runs a script that is a file, and that the text does not show."""
        if self.place.enabled is None or nvram.is_own(listing) or "\n" not in listing:
            return False
        key, wanted = self.place.enabled
        return nvram.read(listing, ()).get(key) == wanted

    def runs(self, listing: str) -> bool:
        """Tell whether the router runs the script.

        Raises:
            NativeError: T407, the listing does not say.
        """
        if self.place.enabled is None:
            return True
        key, wanted = self.place.enabled
        keys = nvram.read(listing, (key,))
        if key not in keys:
            raise NativeError.of(
                Code.T407,
                f"the listing does not hold {key}, so it is open whether {self.place.name} runs",
                hint=f"add the line that `nvram get {key}` gives",
            )
        return keys[key] == wanted
