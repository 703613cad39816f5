"""The two things setup.cfg cannot say: data beside the code, and no wheel without a front end.

Everything else about the package stands in setup.cfg. This file never reads the network and
builds nothing itself: `make build` writes ui_extensions/dist, this only refuses to go on without.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithFrontEnd(build_py):
    """Copies the package; stops when the bundled front end is missing.

    A wheel without it would install and start, and then show agents an empty frame.
    """

    def run(self) -> None:
        """Raise SystemExit with what to do, unless this is an editable install."""
        if not self.editable_mode and not (HERE / "ui_extensions/dist/assets.json").is_file():
            message = "ui_extensions/dist is missing: run `make build` first, then build the wheel."
            raise SystemExit(message)
        super().run()


setup(
    # `find:` in setup.cfg cannot be joined with mapped folders, and a written list would have to
    # be edited for every new folder.
    packages=[
        *find_packages(include=["plugin", "plugin.*", "webhooks", "webhooks.*"]),
        "plugin._manifests",
        "plugin._ui_extensions",
    ],
    package_dir={
        "plugin._manifests": "manifests",
        "plugin._ui_extensions": "ui_extensions",
    },
    package_data={
        "": ["py.typed"],
        "plugin": ["**/*.html", "**/*.txt", "**/*.mako", "**/*.css", "**/*.svg", "**/*.json"],
        "plugin._manifests": ["**/*"],
        "plugin._ui_extensions": ["dist/**/*"],
    },
    cmdclass={"build_py": BuildWithFrontEnd},
)
