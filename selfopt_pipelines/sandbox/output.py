"""What a sandboxed command printed, made safe to show and cut to a size.

Terminal control sequences from untrusted code can rewrite a log on the reader's screen, and bidirectional or
invisible characters can make it read as something else; none of them survives here.
"""

import codecs
import re
from pathlib import Path
from typing import BinaryIO, Self

_PENDING_MAX = 65_536

# ECMA-48: CSI, then the string sequences (OSC, DCS, SOS, PM, APC), then every other escape; 7-bit and C1 forms.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}
_INVISIBLE = {
    code: None
    for first, last in (
        (0x00AD, 0x00AD),  # soft hyphen
        (0x061C, 0x061C),  # Arabic letter mark
        (0x180E, 0x180E),  # Mongolian vowel separator
        (0x200B, 0x200F),  # zero-width characters, directional marks
        (0x2028, 0x202E),  # line and paragraph separators, embeddings and overrides
        (0x2060, 0x2064),  # word joiner, invisible operators
        (0x2066, 0x206F),  # isolates, deprecated format characters
        (0xFEFF, 0xFEFF),  # byte order mark
        (0xFFF9, 0xFFFB),  # interlinear annotation
        (0xE0000, 0xE007F),  # tags
    )
    for code in range(first, last + 1)
}
_REMOVED = _CONTROLS | _INVISIBLE


def sanitise(text: str) -> str:
    """`text` without escape sequences, control, bidirectional and zero-width characters.

    Line feeds and tabs stay; a carriage return, which a terminal would use to overwrite a line, starts a new one.
    """
    text = _SEQUENCES.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_REMOVED)


class OutputCollector:
    """Takes raw output as it arrives; keeps the first `limit` bytes, sanitised, here and in `log_path`.

    Whatever comes after is counted and dropped, so that a flood costs neither memory nor disk.
    """

    def __init__(self, limit: int, log_path: Path | None = None) -> None:
        self._left = limit
        self._cut = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pending = ""
        self._parts: list[str] = []
        self._log: BinaryIO | None = None
        if log_path is not None:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            self._log = log_path.open("wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._log is not None:
            self._log.close()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        kept = data[: self._left]
        self._left -= len(kept)
        self._cut += len(data) - len(kept)
        if not kept:
            return
        self._pending += self._decoder.decode(kept)
        # Sequences end at a line feed at the latest, so whole lines can be cleaned on their own. A carriage
        # return at the end may be half of CR LF.
        end = self._pending.rfind("\n") + 1
        if end == 0 and len(self._pending) > _PENDING_MAX:
            end = len(self._pending)
        if end:
            self._emit(self._pending[:end])
            self._pending = self._pending[end:]

    def finish(self) -> str:
        """The kept text; ends with a note of how much was cut, if any."""
        self._emit(self._pending + self._decoder.decode(b"", final=True))
        self._pending = ""
        if self._cut:
            self._emit(f"\n[{self._cut} more bytes of output were cut]\n")
            self._cut = 0
        return "".join(self._parts)

    def _emit(self, raw: str) -> None:
        text = sanitise(raw)
        if not text:
            return
        self._parts.append(text)
        if self._log is not None:
            self._log.write(text.encode())
