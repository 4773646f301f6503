"""A form with one file, read piece by piece. Source: RFC 7578 (multipart/form-data)."""

import io

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

# Of a part: a name, a file name and a type. curl and browsers send about 150 bytes. The newer
# python-multipart has the same limit for each line.
_MAX_HEAD_BYTES = 4096

_BROKEN = (
    "it cannot be read; each part begins with the boundary line that the Content-Type promises, "
    f"and headers of {_MAX_HEAD_BYTES} bytes at most"
)


class FormError(Exception):
    """A form that is not accepted; the message says what is wrong with it."""


class PhotoForm:
    """Takes the bytes of a form and keeps those of its file, in memory."""

    def __init__(self, content_type: str) -> None:
        """Prepare.

        Args:
            content_type: The request's header; it says what stands between the parts.

        Raises:
            FormError: It does not say it.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise FormError("its Content-Type names no boundary between the parts")
        callbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_head,
            "on_part_data": self._add_data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise FormError("the boundary that its Content-Type names is too long") from error
        self._photo: io.BytesIO | None = None
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._head_bytes = 0
        self._is_complete = False

    def write(self, piece: bytes) -> None:
        """Go on with the next bytes of the body.

        Raises:
            FormError: They are no form, or one with something else than one file.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise FormError(_BROKEN) from error

    def getvalue(self) -> bytes:
        """Return the bytes of the file, when everything is written; none if it has no file.

        Raises:
            FormError: The form is cut off.
        """
        if not self._is_complete:
            raise FormError("it ends before its last boundary line")
        return self._photo.getvalue() if self._photo else b""

    def _begin_part(self) -> None:
        self._disposition = b""
        self._head_bytes = 0

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._limited(data[start:end])

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._limited(data[start:end])

    def _limited(self, data: bytes) -> bytes:
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise FormError(_BROKEN)
        return data

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _end_head(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"filename" not in options:
            name = options.get(b"name", b"").decode("latin-1")
            raise FormError(f"its field {name!r} is text and no file (with curl, a file has an @)")
        if self._photo is not None:
            raise FormError("it has more than one file")
        self._photo = io.BytesIO()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._photo is not None:  # it always is: the head comes first
            self._photo.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self._is_complete = True
