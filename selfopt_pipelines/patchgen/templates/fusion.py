"""The inside of a fused loop: one statement per step, with names that capture nothing."""

from tree_sitter import Node

from selfopt_pipelines.javascript import SourceFile
from selfopt_pipelines.javascript.chains import Callback, Step, names_of
from selfopt_pipelines.javascript.edits import Edit, apply
from selfopt_pipelines.javascript.nodes import enclosing_function, field, walk
from selfopt_pipelines.javascript.patterns.intermediate_array import FusionPlan
from selfopt_pipelines.javascript.scope import IDENTIFIERS

_NEGATABLE = frozenset({"member_expression", "identifier", "call_expression", "subscript_expression"})
_ELEMENT_NAMES = ("item", "element", "entry", "current", "value")


class CannotFuse(Exception):
    """One sentence: why the template declines."""


class Fusion:
    """Renders the steps of a chain. `element` is the loop variable, `current` the expression after the last step."""

    def __init__(self, source: SourceFile, plan: FusionPlan) -> None:
        self._source = source
        self._plan = plan
        self._names: dict[int, str] = {}  # identifier node of a parameter -> its name in the loop
        self._taken = self._free_names()
        self._declared: set[str] = set()
        self.element = ""
        self.current = ""

    def _callbacks(self) -> list[Callback]:
        callbacks = [step.callback for step in self._plan.chain.steps]
        return [*callbacks, self._plan.callback] if self._plan.callback is not None else callbacks

    def _own(self) -> set[int]:
        """Identifiers of the chain that are parameters of its callbacks, or mean one."""
        scopes = self._source.scopes
        own: set[int] = set()
        for callback in self._callbacks():
            for pattern in callback.parameters:
                for name in names_of(pattern):
                    binding = scopes.resolve(name)
                    own.add(name.id)
                    own |= {each.id for each in scopes.references(binding)} if binding is not None else set()
        return own

    def _free_names(self) -> set[str]:
        """Names that the loop uses without declaring them: nothing declared in the loop may have one of them."""
        own = self._own()
        parts = [self._plan.chain.receiver, *(each.body for each in self._callbacks() if each.body is not None)]
        if self._plan.body is not None:
            parts.append(self._plan.body)
        return {
            self._source.text(node)
            for part in parts
            for node in walk(part)
            if node.type in IDENTIFIERS and node.id not in own
        }

    def outer_name(self, candidates: list[str], *, keep: bool = True) -> str:
        """A name declared beside the loop: that of the replaced `const`, or one that its function does not use."""
        place = self._plan.place
        if keep and place.name is not None:
            name = self._source.text(place.name)
            if name in self._taken:
                raise CannotFuse(f"The chain reads {name} while it is being computed.")
        else:
            region = enclosing_function(place.node) or self._source.root
            own = self._own()
            used = {self._source.text(node) for node in walk(region) if node.type in IDENTIFIERS and node.id not in own}
            name = self._first([each for each in candidates if each], used | self._declared)
        self._taken.add(name)
        self._declared.add(name)
        return name

    def inner_name(self, candidates: list[str]) -> str:
        """A name declared in the loop."""
        name = self._first(candidates, self._taken | self._declared)
        self._declared.add(name)
        return name

    @staticmethod
    def _first(candidates: list[str], used: set[str]) -> str:
        for suffix in ("", "2", "3", "4", "5"):
            for candidate in candidates:
                if candidate + suffix not in used:
                    return candidate + suffix
        raise CannotFuse("No free name was found.")

    def rename(self, parameter: Node, name: str) -> None:
        """Let a parameter of a callback be called `name` in the loop."""
        self._names[parameter.id] = name

    def render(self, node: Node) -> str:
        """The text of an expression with the parameters' names in the loop."""
        scopes = self._source.scopes
        edits: list[Edit] = []
        for each in walk(node):
            if each.type not in {"identifier", "shorthand_property_identifier"}:
                continue
            binding = scopes.resolve(each)
            name = self._names.get(binding.identifier.id) if binding is not None else None
            text = self._source.text(each)
            if name is None or name == text:
                continue
            renamed = f"{text}: {name}" if each.type == "shorthand_property_identifier" else name
            edits.append(Edit(each.start_byte - node.start_byte, each.end_byte - node.start_byte, renamed))
        return apply(self._source.data[node.start_byte : node.end_byte], edits).decode()

    def steps(self, *, final: Node | None = None, keep_final_name: bool = False) -> list[str]:
        """Statements of the loop body for all steps, and for handing the result to the pattern `final`.

        With `keep_final_name` the code that follows uses the names of `final` as they are.
        """
        steps = self._plan.chain.steps
        reserved = {self._source.text(name) for name in names_of(final)} if final is not None else set()
        if keep_final_name:
            if reserved & self._taken and self._clashes(final):
                raise CannotFuse("A name of the loop body means something else in the chain.")
            self._declared |= reserved
        only_filters = all(step.method == "filter" for step in steps)
        if keep_final_name and only_filters and final is not None and final.type == "identifier":
            self.element = self._source.text(final)
        else:
            self.element = self.inner_name([*self._parameter_names(), *_ELEMENT_NAMES])
        self.current = self.element
        lines: list[str] = []
        for position, step in enumerate(steps):
            lines += self._step(step, position, final, keep_final_name=keep_final_name)
        if final is not None:
            lines += self._hand_over(final, keep_final_name=keep_final_name)
        return lines

    def _clashes(self, final: Node | None) -> bool:
        """Whether a name of the body is also read by the chain, or declared again by the body."""
        own = self._own()
        chain = [self._plan.chain.receiver, *(s.callback.body for s in self._plan.chain.steps if s.callback.body)]
        names = {self._source.text(name) for name in names_of(final)} if final is not None else set()
        read = {
            self._source.text(node)
            for part in chain
            for node in walk(part)
            if node.type in IDENTIFIERS and node.id not in own
        }
        body = self._plan.body
        scopes = [binding.scope.id for name in names for binding in self._source.scopes.bindings(name)]
        return bool(names & read) or (body is not None and body.id in scopes)

    def _parameter_names(self) -> list[str]:
        return [
            self._source.text(pattern)
            for step in self._plan.chain.steps[:1]
            for pattern in step.callback.parameters
            if pattern.type == "identifier"
        ]

    def _step(self, step: Step, position: int, final: Node | None, *, keep_final_name: bool) -> list[str]:
        callback, lines = step.callback, []
        for pattern in callback.parameters:
            lines += self._bind(pattern)
        end = ";" if b";" in self._source.data else ""
        if step.method == "filter":
            return [*lines, f"if ({self._negated(callback)}) continue{end}"]
        value = self._value(callback)
        is_last = position == len(self._plan.chain.steps) - 1
        if is_last and (final is None or (final.type == "identifier" and keep_final_name)):
            self.current = value
            return lines
        following = self._plan.chain.steps[position + 1].callback.parameters if not is_last else ()
        wanted = [self._source.text(each) for each in following if each.type == "identifier"]
        if is_last and final is not None and final.type == "identifier":
            wanted = [self._source.text(final)]
        name = self.inner_name([*wanted, *_ELEMENT_NAMES])
        self.current = name
        return [*lines, f"const {name} = {value}{end}"]

    def _hand_over(self, final: Node, *, keep_final_name: bool) -> list[str]:
        end = ";" if b";" in self._source.data else ""
        if final.type != "identifier":
            return self._bind(final, reserved=keep_final_name)
        if not keep_final_name:
            self._names[final.id] = self.current
            return []
        name = self._source.text(final)
        return [] if self.current == name else [f"const {name} = {self.current}{end}"]

    def _bind(self, pattern: Node, *, reserved: bool = False) -> list[str]:
        """Let a parameter mean the current value; an object pattern takes a statement of its own."""
        if pattern.type == "identifier":
            self._names[pattern.id] = self.current
            return []
        names = {self._source.text(name) for name in names_of(pattern)}
        if names & self._taken_by_others(pattern) or (not reserved and names & self._declared):
            raise CannotFuse("Two steps take properties of the same name, which cannot stand in one block.")
        self._declared |= names
        end = ";" if b";" in self._source.data else ""
        return [f"const {self._source.text(pattern)} = {self.current}{end}"]

    def _taken_by_others(self, pattern: Node) -> set[str]:
        return self._taken - (
            {self._source.text(name) for name in names_of(pattern)} if self._plan.body is not None else set()
        )

    def _value(self, callback: Callback) -> str:
        if callback.converter is not None:
            return f"{callback.converter}({self.current})"
        return self.render(callback.body) if callback.body is not None else "undefined"

    def _negated(self, callback: Callback) -> str:
        if callback.converter == "Boolean":
            return f"!{self.current}"
        body = callback.body
        if body is None:
            return f"!{self._value(callback)}"
        operator = field(body, "operator") if body.type == "unary_expression" else None
        operand = field(body, "argument") if operator is not None and self._source.text(operator) == "!" else None
        if operand is not None:
            return self.render(operand)
        text = self.render(body)
        return f"!{text}" if body.type in _NEGATABLE else f"!({text})"
