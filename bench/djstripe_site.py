"""The smallest Django project with dj-stripe's webhook endpoint; run by the peer's own Python.

Knows nothing of Makegood. `python -m bench.djstripe_site prepare` makes the endpoint, and the
tables as the models have them now: its migrations come to the same and take a minute. The database
is SQLite in WAL mode with a full sync and immediate transactions, or PostgreSQL.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django  # type: ignore[import-not-found]  # lives in the peer's own environment
from django.conf import settings  # type: ignore[import-not-found]  # as above

KEY = "sk_test_MadeUpForTheBench0000000"
UUID = "11111111-2222-4333-8444-555555555555"


def _database() -> dict[str, Any]:
    folder, name = os.environ["PEER_FOLDER"], os.environ.get("PEER_DATABASE", "")
    if name:
        from urllib.parse import parse_qs, urlsplit  # noqa: PLC0415

        parts = urlsplit(name)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.lstrip("/"),
            "USER": parts.username,
            "PASSWORD": parts.password or "",
            "HOST": parts.hostname or parse_qs(parts.query)["host"][0],
            "PORT": parts.port or "",
            "CONN_MAX_AGE": None,
        }
    options = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{folder}/peer.sqlite",
        "OPTIONS": options,
        "CONN_MAX_AGE": None,
    }


settings.configure(
    SECRET_KEY="made up for the bench",  # noqa: S106 - signs nothing
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="bench.djstripe_site",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": _database()},
    MIGRATION_MODULES={"djstripe": None, "auth": None, "contenttypes": None},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    STRIPE_TEST_SECRET_KEY=KEY,
    STRIPE_LIVE_MODE=False,
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # type: ignore[import-not-found]  # noqa: E402
from django.urls import include, path  # type: ignore[import-not-found]  # noqa: E402

urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
application = get_wsgi_application()


def prepare() -> None:
    """The tables, and one endpoint that checks signatures.

    With its account and key at hand: without them each event would ask Stripe for them.
    """
    from django.core.management import (  # type: ignore[import-not-found]  # as above  # noqa: PLC0415
        call_command,
    )
    from djstripe.models import (  # type: ignore[import-not-found]  # as above  # noqa: PLC0415
        Account,
        APIKey,
        WebhookEndpoint,
    )

    call_command("migrate", run_syncdb=True, verbosity=0)
    account = Account.objects.create(id="acct_bench", livemode=False)
    APIKey.objects.create(secret=KEY, type="secret", livemode=False, djstripe_owner_account=account)
    WebhookEndpoint.objects.create(
        id="we_bench",
        livemode=False,
        enabled_events=["*"],
        secret=os.environ["PEER_SECRET"],
        status="enabled",
        url="http://localhost/",
        djstripe_uuid=UUID,
        djstripe_owner_account=account,
    )


if __name__ == "__main__" and sys.argv[1] == "prepare":
    prepare()
