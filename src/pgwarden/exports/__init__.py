"""Results written to files: the directory they go to, and the formats."""

from pgwarden.exports.encode import FORMATS, MIME, Encoder, encoder
from pgwarden.exports.errors import ExportError
from pgwarden.exports.file import ExportFile
from pgwarden.exports.folder import ExportFolder, Place
from pgwarden.exports.sink import Block, Field, Shape, Sink, unique

__all__ = [
    "FORMATS",
    "MIME",
    "Block",
    "Encoder",
    "ExportError",
    "ExportFile",
    "ExportFolder",
    "Field",
    "Place",
    "Shape",
    "Sink",
    "encoder",
    "unique",
]
