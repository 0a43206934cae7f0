"""Word tables written compactly."""

from collections.abc import Mapping


def words(*texts: str) -> frozenset[str]:
    """The blank-separated words of the texts."""
    return frozenset(word for text in texts for word in text.split())


def weights(table: Mapping[float, str]) -> dict[str, float]:
    """From `{9: "docs site"}` to `{"docs": 9, "site": 9}`."""
    return {word: weight for weight, text in table.items() for word in text.split()}


def listed(*texts: str) -> tuple[str, ...]:
    """The blank-separated words of the texts, in order."""
    return tuple(word for text in texts for word in text.split())
