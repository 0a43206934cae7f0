"""Reads the static proxies of heat from the syntax around a place."""

from tree_sitter import Node

from selfopt_pipelines.javascript.nodes import FUNCTIONS, LOOPS, ancestors, callback_of, field
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.scanner.ranking import StaticHeat

_HANDLER_PARAMETERS = frozenset({"req", "request", "res", "response", "reply", "ctx", "context", "next"})
_ROUTE_METHODS = frozenset({"get", "post", "put", "patch", "delete", "use", "all", "route"})
_JSX = ("jsx_element", "jsx_self_closing_element", "jsx_fragment")


def static_place(source: SourceFile, site: Node) -> StaticHeat:
    """Loops, handler and export around one site."""
    loops, handler, exported, in_function = 0, False, False, False
    for parent in ancestors(site):
        if parent.type in LOOPS:
            loops += 1
        elif parent.type in FUNCTIONS:
            in_function = True
            if callback_of(parent) is not None:
                loops += 1
            handler = handler or _is_handler(source, parent)
        elif parent.type == "export_statement":
            exported = True
        elif parent.type in _JSX:
            handler = True
    return StaticHeat(loops=loops, handler=handler, exported=exported, module_init=not in_function)


def _is_handler(source: SourceFile, function: Node) -> bool:
    parameters = field(function, "parameters")
    for child in parameters.named_children if parameters is not None else []:
        name = field(child, "pattern") or child
        if name.type == "identifier" and source.text(name) in _HANDLER_PARAMETERS:
            return True
    call = function.parent.parent if function.parent is not None and function.parent.type == "arguments" else None
    callee = field(call, "function") if call is not None else None
    method = field(callee, "property") if callee is not None and callee.type == "member_expression" else None
    return method is not None and source.text(method) in _ROUTE_METHODS
