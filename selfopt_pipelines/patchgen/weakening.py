"""What a change adds that makes types, lint or safety weaker: counted before and after, on the syntax tree.

Counting (and not reading the diff) means that moving existing code is fine and hiding is not: a suppression is
found wherever it stands.
"""

import re
from collections import Counter

from tree_sitter import Node

from selfopt_pipelines.javascript import SourceFile
from selfopt_pipelines.javascript.nodes import field, walk

_SUPPRESSIONS = {
    "ts-ignore": re.compile(r"@ts-(?:ignore|expect-error|nocheck)\b"),
    "eslint-disable": re.compile(r"(?:eslint|oxlint|jshint|tslint:|rslint|deno-lint)[-\s]?(?:disable|ignore)\b", re.I),
    "biome-ignore": re.compile(r"\b(?:biome|rome|prettier|sonar)-ignore\b|\bNOSONAR\b|\bnosemgrep\b"),
    "coverage-ignore": re.compile(r"\b(?:istanbul|c8|v8|node:coverage)\s+(?:ignore|disable)\b"),
}
_JSDOC_ANY = re.compile(r"@(?:type|param|returns?|typedef|property)\s*\{[^}\n]*(?:\bany\b|\*)[^}\n]*\}")
_DANGEROUS_MODULES = frozenset(
    {
        "child_process",
        "cluster",
        "dgram",
        "dns",
        "dns/promises",
        "fs",
        "fs/promises",
        "http",
        "http2",
        "https",
        "inspector",
        "module",
        "net",
        "repl",
        "tls",
        "v8",
        "vm",
        "wasi",
        "worker_threads",
        "undici",
        "axios",
        "node-fetch",
        "got",
        "ws",
    }
)
_DANGEROUS_GLOBALS = frozenset(
    {"eval", "Function", "fetch", "XMLHttpRequest", "WebSocket", "EventSource", "WebAssembly", "importScripts"}
)
_DANGEROUS_MEMBERS = frozenset({"sendBeacon", "mainModule", "_load", "__proto__", "setPrototypeOf", "constructor"})


def weaknesses(source: SourceFile) -> Counter[str]:
    """How often each weakening construct occurs. Keys are the violation codes of the policy, with a detail."""
    counts: Counter[str] = Counter()
    text = source.data.decode("utf-8", "replace")
    for name, pattern in _SUPPRESSIONS.items():
        counts[f"suppression-added: {name}"] += len(pattern.findall(text))
    counts["any-added: any in a comment type"] += len(_JSDOC_ANY.findall(text))
    for node in walk(source.root, limit=2_000_000):
        label = _weakness(source, node) or _danger(source, node)
        if label is not None:
            counts[label] += 1
    return +counts


def syntax_errors(source: SourceFile) -> int:
    """Number of places that the grammar could not read."""
    if not source.root.has_error:
        return 0
    return sum(node.is_error or node.is_missing for node in walk(source.root, limit=2_000_000))


def _weakness(source: SourceFile, node: Node) -> str | None:
    kind = node.type
    if kind == "predefined_type" and source.text(node) == "any":
        return "any-added: the type any"
    if kind == "!" and node.parent is not None and node.parent.type != "unary_expression":
        return "non-null-added: a ! assertion"
    if kind in {"as_expression", "type_assertion"}:
        children = node.named_children
        inner = children[0] if kind == "as_expression" else children[-1]
        while inner.type == "parenthesized_expression" and inner.named_children:
            inner = inner.named_children[0]
        if inner.type in {"as_expression", "type_assertion"}:
            return "double-cast-added: a cast of a cast"
    if kind == "debugger_statement":
        return "dangerous-code: debugger"
    return None


def _danger(source: SourceFile, node: Node) -> str | None:
    kind = node.type
    if kind in {"identifier", "shorthand_property_identifier"}:
        name = source.text(node)
        return f"dangerous-code: {name}" if name in _DANGEROUS_GLOBALS else None
    if kind == "string":
        return _dangerous_module(source, node)
    if kind == "import" and node.parent is not None and node.parent.type == "call_expression":
        return "dangerous-code: a dynamic import"
    if kind == "call_expression":
        return _dangerous_call(source, node)
    if kind in {"member_expression", "subscript_expression"}:
        return _dangerous_member(source, node)
    if kind == "assignment_expression":
        left = field(node, "left")
        target = field(left, "object") if left is not None else None
        if target is not None and re.match(r"(globalThis|window|global)$|\w+\.prototype$", source.text(target)):
            return "dangerous-code: a change of a global or a prototype"
    return None


def _dangerous_module(source: SourceFile, node: Node) -> str | None:
    parent = node.parent
    is_import = parent is not None and parent.type in {"import_statement", "export_statement", "import_require_clause"}
    call = parent.parent if parent is not None and parent.type == "arguments" else None
    callee = field(call, "function") if call is not None else None
    is_call = callee is not None and source.text(callee) in {"require", "import", "require.resolve"}
    name = source.text(node)[1:-1].removeprefix("node:")
    return f"dangerous-code: the module {name}" if (is_import or is_call) and name in _DANGEROUS_MODULES else None


def _dangerous_call(source: SourceFile, node: Node) -> str | None:
    callee, arguments = field(node, "function"), field(node, "arguments")
    if callee is None or arguments is None:
        return None
    first = arguments.named_children[0] if arguments.named_children else None
    name = source.text(callee)
    if name in {"setTimeout", "setInterval"} and first is not None and first.type in {"string", "template_string"}:
        return f"dangerous-code: {name} with code as text"
    if name == "require" and (first is None or first.type != "string"):
        return "dangerous-code: require of a computed name"
    return None


def _dangerous_member(source: SourceFile, node: Node) -> str | None:
    target, name = field(node, "object"), field(node, "property") or field(node, "index")
    if target is None or name is None:
        return None
    owner = source.text(target)
    if owner in {"process", "globalThis", "window", "global", "self"} and node.type == "subscript_expression":
        return f"dangerous-code: {owner}[...]"
    if owner == "process" and source.text(name) in {"env", "binding", "dlopen", "exit", "kill"}:
        return f"dangerous-code: process.{source.text(name)}"
    member = source.text(name).strip("'\"`")
    return f"dangerous-code: .{member}" if member in _DANGEROUS_MEMBERS else None
