"""The examples of `docs/integration.md`, and something that runs those of each language one after the other."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

GUIDE = Path(__file__).parents[2] / "docs/integration.md"
PORTAL = "https://sop.example.com"
LANGUAGES = ("bash", "python", "js")
OUTPUTS = ("json output", "text output")
_MONTH = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
_END = "-- end of the example --"


@dataclass(frozen=True)
class Block:
    """One fenced block. kind: a language, or what an example before it prints."""

    kind: str
    text: str
    line: int
    heading: str


def blocks() -> list[Block]:
    """All fenced and indented blocks of the guide, in order."""
    found, heading = [], ""
    tokens = MarkdownIt("commonmark").parse(GUIDE.read_text(encoding="utf-8"))
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[place + 1].content
        elif token.type in ("fence", "code_block"):
            found.append(Block(token.info.strip(), token.content, (token.map or [0])[0] + 1, heading))
    return found


class Process:
    """A program that is given one example after the other and keeps what they define."""

    def __init__(self, command: list[str], run: str, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._run, self._numbers = folder, run, count(1)
        self._errors = folder / "errors"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip

    def run(self, text: str) -> str:
        """What `text` prints. Raises AssertionError when it fails."""
        script = self._folder / f"example-{next(self._numbers)}"
        script.write_text(text, encoding="utf-8")
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{self._run.format(script.name)}\n")
        printed = ""
        for line in self._process.stdout:
            if line.rstrip("\n").endswith(_END):
                return printed + line.rstrip("\n").removesuffix(_END)
            printed += line
        raise AssertionError(f"it ended with {self._process.wait()}:\n{text}\n{printed}\n{self._errors.read_text()}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def shell(folder: Path, environment: dict[str, str]) -> Process:
    """A shell that ends at the first command that fails."""
    return Process(["bash", "-euo", "pipefail"], f"source ./{{}} < /dev/null; echo '{_END}'", folder, environment)


def interpreter(folder: Path, environment: dict[str, str]) -> Process:
    """A Python that ends at the first exception."""
    loop = (
        "import sys\nspace = {'__name__': '__main__'}\n"
        "for name in sys.stdin:\n"
        "    name = name.strip()\n"
        "    exec(compile(open(name, encoding='utf-8').read(), name, 'exec'), space)\n"
        f"    print({_END!r})\n"
    )
    return Process([sys.executable, "-u", "-c", loop], "{}", folder, environment)


class Console:
    """The console of a page, which awaits and keeps what is declared, as that of a browser's tools."""

    def __init__(self, page: Any) -> None:
        self._page, self._printed = page, []
        self._session = page.context.new_cdp_session(page)
        page.on("console", lambda message: message.type == "log" and self._printed.append(message.text))

    def run(self, text: str) -> str:
        """What `text` prints. Raises AssertionError when it throws."""
        self._printed.clear()
        told = self._session.send("Runtime.evaluate", {"expression": text, "replMode": True, "awaitPromise": True})
        thrown = told.get("exceptionDetails")
        assert thrown is None, f"{text}\n{thrown['exception'].get('description', thrown)}"
        # What was printed comes on its own way.
        self._page.wait_for_timeout(20)
        return "\n".join(self._printed)


def is_alike(kind: str, shown: str, printed: str) -> bool:
    """Whether an example printed what the guide shows, but for numbers and months, and in JSON but for codes."""
    if kind == "text output":
        return _lasting(shown) == _lasting(printed)
    return _shape(json.loads(shown)) == _shape(_last_document(printed))


def _lasting(text: str) -> str:
    """What of a text is the same each time."""
    return re.sub(r"[0-9]+", "0", _MONTH.sub("Jan", text.strip()))


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shape(part) for part in value]
    return _lasting(value) if isinstance(value, str) and " " in value else type(value)


def _last_document(text: str) -> Any:
    lines = text.strip().splitlines()
    for start in reversed(range(len(lines))):
        try:
            return json.loads("\n".join(lines[start:]))
        except ValueError:
            continue
    raise AssertionError(f"no JSON was printed:\n{text}")
