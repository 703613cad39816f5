"""Find the data that ships beside the code: manifests, and the bundled front end.

Works the same from a checkout, from an editable install and from a wheel. In a wheel the two
folders lie below the package (`plugin/_manifests`, `plugin/_ui_extensions`); otherwise they lie
beside it. It reads only what the build wrote and never builds, writes or downloads anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PACKAGE = Path(__file__).resolve().parent.parent


class DataMissing(Exception):
    """Data that belongs to Makegood is not there; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Where the data lies, given the folder of the package `plugin`."""

    package: Path = PACKAGE

    def _folder(self, name: str) -> Path:
        packaged = self.package / f"_{name}"
        if packaged.is_dir():
            return packaged
        checkout = self.package.parent
        # Without setup.cfg beside it, the package is installed, and a folder of that name next to
        # it belongs to somebody else's distribution.
        if (checkout / "setup.cfg").is_file() and (checkout / name).is_dir():
            return checkout / name
        message = f"The folder {name} is missing from this installation; install Makegood again."
        raise DataMissing(message)

    def manifests(self) -> Path:
        """Return the folder with `stores/<name>/` and `helpdesks/<name>/`; raises DataMissing."""
        return self._folder("manifests")

    def front_end(self) -> Path:
        """Return the folder the front-end build wrote; raises DataMissing before the build."""
        dist = self._folder("ui_extensions") / "dist"
        if not (dist / "assets.json").is_file():
            message = "The front end is not built: run `make build`."
            raise DataMissing(message)
        return dist

    def assets(self) -> Mapping[str, str]:
        """Return logical name -> file name in `front_end()`, both relative and with slashes.

        Scripts, styles and pictures carry a digest in the file name, so a response that serves
        one of them may be cached for ever.
        """
        names: dict[str, str] = json.loads((self.front_end() / "assets.json").read_text("utf-8"))
        return names

    def asset(self, logical_name: str) -> Path:
        """Return the file behind a logical name such as `panel/panel.js`; raises DataMissing."""
        try:
            return self.front_end() / PurePosixPath(self.assets()[logical_name])
        except KeyError:
            message = f"The front end has no {logical_name}: run `make build`."
            raise DataMissing(message) from None
