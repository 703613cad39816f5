"""What a thing sold opens, as the store's admin told us.

A price plan gives grants, a bundle holds courses, a tag opens what hangs on it.

What an event or the store's API tells wins over the map; what neither tells is unknown. A tag opens
resources, never another tag: chains would make "why does she have it" unanswerable in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plugin.domain.errors import InvalidInput
from plugin.domain.orders import Resource, ResourceKind

Opens = Mapping[Resource, tuple[Resource, ...]]


@dataclass(frozen=True, slots=True)
class AccessMap:
    """The maps of all store accounts of one tenant.

    `products`: (installation, product ref) -> what buying it gives.
    `bundles`: bundle -> its courses. `tags`: tag -> what holding it opens.
    """

    products: Mapping[tuple[str, str], tuple[Resource, ...]] = field(default_factory=dict)
    bundles: Opens = field(default_factory=dict)
    tags: Opens = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tag, opened in self.tags.items():
            if tag.kind is not ResourceKind.TAG:
                raise InvalidInput("tags", f"{tag.kind} {tag.ref} is not a tag")
            if any(resource.kind is ResourceKind.TAG for resource in opened):
                raise InvalidInput("tags", f"tag {tag.ref} may not open another tag")
        for bundle, courses in self.bundles.items():
            if bundle.kind is not ResourceKind.BUNDLE:
                raise InvalidInput("bundles", f"{bundle.kind} {bundle.ref} is not a bundle")
            if any(r.kind in (ResourceKind.BUNDLE, ResourceKind.TAG) for r in courses):
                raise InvalidInput("bundles", f"bundle {bundle.ref} may hold no bundle and no tag")

    def given_by(self, installation: str, product: str) -> tuple[Resource, ...] | None:
        """What the map says a product gives, or None where the admin has not said."""
        return self.products.get((installation, product))

    def inside(self, bundle: Resource) -> tuple[Resource, ...] | None:
        """The courses of a bundle, or None where the admin has not said."""
        return self.bundles.get(bundle)

    def opened_by(self, tag: Resource) -> tuple[Resource, ...]:
        """What a tag opens. A tag that is not in the map opens nothing that we know of."""
        return self.tags.get(tag, ())
