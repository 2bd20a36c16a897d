"""The readable text of HTML pages."""

from __future__ import annotations

from bayescale.trainer.corpora._html import text_of

PAGE = """<html><head><title>T</title><style>p { color: red }</style></head><body><nav>Home | Next</nav>
<div role="main"><h1>Pipes&#182;</h1><p>Read   one
line &amp; stop.<br>Then go.</p><script>var x = "no";</script><pre>if (x)
    y();</pre></div><footer>2024</footer></body></html>"""


def test_the_main_elements_text_is_read_without_navigation_and_scripts() -> None:
    text = text_of(PAGE)
    assert text.startswith("Pipes\n")
    assert "Read one line & stop.\nThen go." in text
    assert "if (x)\n    y();" in text
    assert not {"Home", "2024", "color", "var"} & set(text.replace(";", " ").split())


def test_a_page_without_a_main_element_is_read_whole() -> None:
    assert text_of("<body><p>One.</p><p>Two.</p></body>") == "One.\n\nTwo.\n"
    assert text_of("<p>An <b>unclosed page") == "An unclosed page\n"
