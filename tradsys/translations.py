"""Message catalogues without gettext's tools: collects the texts of code and templates, compiles what is translated.

``python -m tradsys.translations compile`` writes the ``.mo`` files (``make messages``);
``python -m tradsys.translations missing`` lists texts without an Arabic translation and ends with 1 if there are any.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

REPOSITORY = Path(__file__).resolve().parent.parent
LOCALE = Path(__file__).resolve().parent / "locale"
SOURCES = ("tradsys", "tenants", "licensing", "exchanges", "compliance", "trading_workers")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}


def texts() -> Iterator[tuple[str, str]]:
    """(text, file) of every text marked for translation in code and templates."""
    for path in sorted((REPOSITORY / "templates").rglob("*.html")):
        yield from _extract(templatize(path.read_text(encoding="utf-8"), origin=str(path)), path)
    for folder in SOURCES:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "gettext" in source:
                yield from _extract(source, path)


def _extract(source: str, path: Path) -> Iterator[tuple[str, str]]:
    for _line, message, _comments, _context in extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS):
        text = message[0] if isinstance(message, tuple) else message
        if text:
            yield text, str(path.relative_to(REPOSITORY))


def catalogue(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def missing(language: str = "ar") -> list[tuple[str, str]]:
    """Texts, with the file of their first use, that ``language`` does not translate."""
    with catalogue(language).open("rb") as stream:
        translated = {
            message.id[0] if isinstance(message.id, tuple) else message.id
            for message in read_po(stream)
            if message.string and message.id and not message.fuzzy
        }
    first_use: dict[str, str] = {}
    for text, path in texts():
        first_use.setdefault(text, path)
    return [(text, path) for text, path in first_use.items() if text not in translated]


def compile_catalogues() -> list[Path]:
    """Write each language's ``.mo`` beside its ``.po``; returns what was written."""
    written = []
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        with source.open("rb") as stream:
            messages = read_po(stream)
        target = source.with_suffix(".mo")
        with target.open("wb") as output:
            write_mo(output, messages)
        written.append(target)
    return written


def main(arguments: list[str]) -> int:
    if arguments == ["compile"]:
        for path in compile_catalogues():
            print(path.relative_to(REPOSITORY))
        return 0
    if arguments == ["missing"]:
        absent = missing()
        for text, path in absent:
            print(f"{path}: {text!r}")
        return 1 if absent else 0
    print("usage: python -m tradsys.translations compile|missing", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
