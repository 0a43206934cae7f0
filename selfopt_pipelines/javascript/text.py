"""A parsed text: bytes and the root of its syntax tree."""

from tree_sitter import Node, Tree


class SourceText:
    """One parsed file without any analysis. Offsets are UTF-8 bytes; `data` is never changed."""

    def __init__(self, path: str, *, data: bytes, tree: Tree) -> None:
        self.path = path
        self.data = data
        self._tree = tree  # keeps the nodes alive
        self.root: Node = tree.root_node

    def text(self, node: Node) -> str:
        """Source text of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")
