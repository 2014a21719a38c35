"""Pictures made safe: what is a picture by its own bytes is written anew, without what it carries beside the image."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Literal

from nbmlops.report.drawings import drawing
from nbmlops.report.text import size

__all__ = ["MAX_SIDE", "source"]

MAX_SIDE, MAX_AREA = 8_000, 40_000_000  # pixels: a few bytes can ask a browser for gigabytes
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
BESIDE = {*range(0xE1, 0xF0), 0xFE} - {0xE2, 0xEE}  # comments and notes of cameras; colours are kept
EXIF, ORIENTATION = b"Exif\0\0", 0x0112


def source(mime: str, encoded: str, most: int) -> tuple[str, str]:
    """Return the address of an image that is all in itself, or an empty text and why there is none.

    Parameters
    ----------
    mime : str
        What the picture calls itself: PNG, JPEG and SVG are known.
    encoded : str
        Base64, or the markup of an SVG.
    most : int
        Bytes it may have.

    Examples
    --------
    >>> source("image/png", "PHNjcmlwdD4=", 1000)
    ('', 'Something that calls itself image/png is no such picture and is left out.')
    """
    vector = mime == "image/svg+xml"
    content = encoded.encode("utf-8", "replace") if vector else _decoded(encoded)
    if len(content) > most:
        return "", f"A picture of {size(len(content))} is left out to keep the page small."
    if vector:
        return _uri(mime, *drawing(content, lambda kind, data: source(kind, data, most)[0]))
    image, sides = (_png if mime == "image/png" else _jpeg)(content)
    if not image:
        return "", f"Something that calls itself {mime} is no such picture and is left out."
    large = max(sides) > MAX_SIDE or sides[0] * sides[1] > MAX_AREA
    return _uri(mime, image, f"A picture of {sides[0]} by {sides[1]} pixels is left out: too large." if large else "")


def _uri(mime: str, content: bytes, wrong: str) -> tuple[str, str]:
    return ("", wrong) if wrong else (f"data:{mime};base64,{base64.b64encode(content).decode()}", "")


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _png(content: bytes) -> tuple[bytes, tuple[int, int]]:
    """Return the chunks that make the image, up to its end, and its sides."""
    kept, at = [PNG], len(PNG)
    if not content.startswith(PNG) or content[12:16] != b"IHDR":
        return b"", (0, 0)
    while len(kind := content[at + 4 : at + 8]) == 4:
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if kind in CHUNKS and end <= len(content):
            kept.append(content[at:end])
        if kind == b"IEND":
            sides = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
            return b"".join(kept), sides
        at = end
    return b"", (0, 0)


def _jpeg(content: bytes) -> tuple[bytes, tuple[int, int]]:
    """Return the segments that make the image, up to its end, and its sides."""
    kept, at, sides = [content[:2]], 2, (0, 0)
    if not content.startswith(JPEG):
        return b"", sides
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in FRAMES:
            height, width = content[at + 5 : at + 7], content[at + 7 : at + 9]
            sides = int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xDA:
            last = content.find(b"\xff\xd9", end)
            return (b"".join([*kept, content[at : last + 2]]) if last > 0 and sides[0] else b""), sides
        if marker not in BESIDE:
            kept.append(content[at:end])
        elif marker == 0xE1:
            kept.append(_turned(content[at + 4 : end]))
        at = end
    return b"", sides


def _turned(notes: bytes) -> bytes:
    """Return of a camera's notes which way up the picture is, alone, or nothing where they do not say."""
    order: Literal["little", "big"] = "little" if notes[6:8] == b"II" else "big"
    held = notes[len(EXIF) :]
    if not notes.startswith(EXIF):
        return b""
    first = int.from_bytes(held[4:8], order)
    for at in range(first + 2, first + 2 + 12 * min(100, int.from_bytes(held[first : first + 2], order)), 12):
        turn = int.from_bytes(held[at + 8 : at + 10], order)
        if int.from_bytes(held[at : at + 2], order) == ORIENTATION and 2 <= turn <= 8:
            entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, turn, 0)
            alone = EXIF + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
            return b"\xff\xe1" + struct.pack(">H", len(alone) + 2) + alone
    return b""
