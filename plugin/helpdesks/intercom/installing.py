"""The install by Intercom's own OAuth: the admin says yes there, and comes back with a code.

The app is the seller's own, so its id and secret are typed in first; the secret signs the panel's
posts later. The code is traded by the adapter, once, and its token opens exactly the workspace that
was named, or is not kept. Rights are ticked in the Developer Hub; the address asks for none.

Source: https://intercom-developer-hub.readme.io/reference/using-oauth (the three parameters, and
the trade of a code). The pages of Europe and Australia, and that one host trades for all regions,
are as others tell of the vendor's newer guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from plugin.ports.connecting import (
    BACK,
    Arrived,
    Credentials,
    GoTo,
    InstallUrls,
    NotUsable,
    Reading,
    SaidNo,
)

CODE: Final = "oauth_code"
"""The secret that `IntercomHelpdesk.trade_grant` trades. It is never kept."""

_CODE: Final = re.compile(r"[!-~]{1,2000}")


class IntercomInstall:
    """Implements `plugin.ports.connecting.InstallWay`."""

    def begin(self, settings: Mapping[str, str], urls: InstallUrls) -> GoTo:
        """Intercom's own page, in the workspace's region."""
        asked = {
            "client_id": settings["client_id"],
            "state": urls.one_time,
            "redirect_uri": urls.back,
        }
        return GoTo(f"{_app(settings)}/oauth?{urlencode(asked)}", register=urls.back)

    def read(
        self,
        settings: Mapping[str, str],  # noqa: ARG002 - the code says nothing of the workspace
        urls: InstallUrls,  # noqa: ARG002 - whose code it is was proven by its `state`
        arrived: Arrived,
    ) -> Reading:
        """The code, or the admin's no."""
        if arrived.part != BACK:
            return NotUsable("Intercom sends nothing here: say yes on its own page")
        code = arrived.query.get("code", "")
        if "error" in arrived.query:
            return SaidNo("You said no on Intercom's page, or it did not let you say yes")
        if not _CODE.fullmatch(code):
            return NotUsable("There is no code in it: begin again")
        return Credentials({CODE: code})


def _app(settings: Mapping[str, str]) -> str:
    """Where the admin signs in: `api.eu.intercom.io` is the API of `app.eu.intercom.com`.

    In development all of it is at one address.
    """
    region = settings["api_host"].removeprefix("api.").removesuffix("intercom.io")
    return settings.get("base_url") or f"https://app.{region}intercom.com"
