import io

from rich.console import Console

from selfopt_pipelines.cli.console import plain, printable


def test_control_characters_of_a_repository_never_reach_the_terminal():
    text = "a\x1b]0;evil\x07b\x1b[2J\u202e"
    assert "\x1b" not in printable(text)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    console.print(plain(f"[red]{text}[/]"))
    written = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]  # it is the StringIO given above
    assert "\x1b]0" not in written
    assert "[red]" in written
