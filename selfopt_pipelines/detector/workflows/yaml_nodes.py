"""YAML as nodes that know their line. Scalars stay the text that was written, so `on` and `18.0` mean themselves.

Built from parser events with a stack of our own: depth and size are bounded, and an alias shares its node instead
of copying it, so neither nesting nor anchors can use up memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_DEPTH = 60
MAX_NODES = 60_000
MAX_MERGES = 20


class YamlTooLarge(ValueError):
    """More nodes or deeper nesting than any real CI file has."""


@dataclass(eq=False)
class Node:
    """A scalar (`text`), a mapping (`items`) or a sequence (`elements`); `line` counts from 1.

    `first_line` is the line on which the text itself begins: one later for block scalars.
    """

    line: int
    text: str | None = None
    items: dict[str, "Node"] | None = None
    elements: list["Node"] | None = None
    first_line: int = 0
    key_lines: dict[str, int] = field(default_factory=dict)

    def get(self, *keys: str) -> "Node | None":
        """The node below these keys, or None."""
        node: Node | None = self
        for key in keys:
            node = node.items.get(key) if node is not None and node.items else None
        return node

    def string(self, *keys: str) -> str | None:
        """The text below these keys; None where it is missing, empty or no scalar."""
        node = self.get(*keys)
        return node.text if node is not None and node.text not in (None, "", "null", "~") else None

    def entries(self) -> Iterator[tuple[str, "Node"]]:
        yield from (self.items or {}).items()

    def sequence(self) -> list["Node"]:
        """Its elements; a scalar counts as a sequence of itself."""
        if self.elements is not None:
            return self.elements
        return [self] if self.text not in (None, "") else []

    def strings(self) -> list[str]:
        return [node.text for node in self.sequence() if node.text is not None]


def entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping; none where there is no mapping."""
    if node is not None:
        yield from node.entries()


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Node | None:
    """The first document of `text`; None where it is empty.

    Raises
    ------
    ValueError
        It is not YAML, or larger or deeper than any CI file.
    """
    try:
        return _build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"not valid YAML{where}") from error


@dataclass
class _Open:
    node: Node
    key: Node | None = None
    waiting: bool = True


def _build(text: str) -> Node | None:  # noqa: PLR0912 - one branch per kind of event
    anchors: dict[str, Node] = {}
    stack: list[_Open] = []
    root: Node | None = None
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.events.DocumentEndEvent):
            break
        node: Node | None = None
        line = event.start_mark.line + 1
        if isinstance(event, yaml.events.AliasEvent):
            node = anchors.get(event.anchor) or Node(line)
        elif isinstance(event, yaml.events.ScalarEvent):
            block = event.style in ("|", ">")
            node = Node(line, text=event.value, first_line=line + 1 if block else line)
        elif isinstance(event, (yaml.events.MappingStartEvent, yaml.events.SequenceStartEvent)):
            mapping = isinstance(event, yaml.events.MappingStartEvent)
            node = Node(line, items={} if mapping else None, elements=None if mapping else [])
        elif isinstance(event, (yaml.events.MappingEndEvent, yaml.events.SequenceEndEvent)):
            if stack:
                stack.pop()
            continue
        if node is None:
            continue
        count += 1
        if count > MAX_NODES or len(stack) > MAX_DEPTH:
            raise YamlTooLarge("larger or deeper than any CI file")
        anchor = getattr(event, "anchor", None)
        if anchor and not isinstance(event, yaml.events.AliasEvent):
            anchors[anchor] = node
        if stack:
            _attach(stack[-1], node)
        else:
            root = root or node
        if isinstance(event, (yaml.events.MappingStartEvent, yaml.events.SequenceStartEvent)):
            stack.append(_Open(node))
    return root


def _attach(parent: _Open, node: Node) -> None:
    if parent.node.elements is not None:
        parent.node.elements.append(node)
        return
    if parent.waiting:
        parent.key, parent.waiting = node, False
        return
    key, parent.waiting = parent.key, True
    if key is None or key.text is None or parent.node.items is None:
        return
    if key.text == "<<":
        for merged in (node.elements or [node])[:MAX_MERGES]:
            for name, value in merged.entries():
                parent.node.items.setdefault(name, value)
                parent.node.key_lines.setdefault(name, merged.key_lines.get(name, value.line))
        return
    parent.node.items[key.text] = node
    parent.node.key_lines[key.text] = key.line
