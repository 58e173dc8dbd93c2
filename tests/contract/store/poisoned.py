"""A gather worker with a bug of our own: it breaks on one record. Run as a module."""

from fenghuo.deploy.cli.main import main
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.streams.gather import gather

POISON = b"breaks the counting"
_count_all = gather.Gather._count_all


def breaking(self: gather.Gather, fetch: Fetch, now_ms: int) -> None:
    """Counts, and then breaks: nothing of it may stay."""
    _count_all(self, fetch, now_ms)
    if POISON in list(fetch.values):
        raise IndexError("a bug of ours")


if __name__ == "__main__":
    gather.Gather._count_all = breaking  # type: ignore[method-assign]
    main()
