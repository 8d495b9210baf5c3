"""The Arabic catalogue covers every marked text and can be filled in like the English one."""

from __future__ import annotations

import ast
import re

from babel.messages.pofile import read_po

from trading_workers.figure_names import FIGURE_NAMES
from trading_workers.reasons import Reason
from tradsys.configuration import REPOSITORY
from tradsys.translations import catalogue, missing, texts

PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|\{[a-z_]*\}")
MARKUP = re.compile(r"</?[a-z]+>")
ARABIC_LETTER = re.compile("[\u0621-\u064a]")


def _translations() -> dict[str, str]:
    with catalogue("ar").open("rb") as stream:
        return {str(message.id): str(message.string) for message in read_po(stream) if message.id}


def test_every_text_has_an_arabic_translation() -> None:
    assert missing("ar") == []


def test_placeholders_and_markup_agree_in_both_languages() -> None:
    different = [
        english
        for english, arabic in _translations().items()
        if sorted(PLACEHOLDER.findall(english)) != sorted(PLACEHOLDER.findall(arabic))
        or sorted(MARKUP.findall(english)) != sorted(MARKUP.findall(arabic))
    ]
    assert different == []


def test_translations_are_written_in_arabic() -> None:
    assert [english for english, arabic in _translations().items() if not ARABIC_LETTER.search(arabic)] == []


def test_the_catalogue_holds_no_text_that_nothing_shows() -> None:
    used = {text for text, _path in texts()}
    assert [english for english in _translations() if english not in used] == []


def test_every_reason_is_told_in_arabic() -> None:
    translated = _translations()
    assert [reason.name for reason in Reason if reason.rule not in translated] == []


def test_every_figure_of_a_refusal_has_a_name_on_the_pages() -> None:
    assert sorted(_figures_of_refusals() - set(FIGURE_NAMES)) == []


def _figures_of_refusals() -> set[str]:
    """Names that the code gives figures: keywords of ``refuse(Reason.X, …)`` and keys of ``Refusal(Reason.X, {…})``."""
    found: set[str] = set()
    for path in (REPOSITORY / "trading_workers").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name) and first.value.id == "Reason":
                found |= {keyword.arg for keyword in call.keywords if keyword.arg}
                for given in (argument for argument in call.args if isinstance(argument, ast.Dict)):
                    found |= {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
    return found
