"""Reading JavaScript and TypeScript source: parsing, scopes, proofs and edits on byte ranges."""

from selfopt_pipelines.javascript.parser import Dialect, SourceFile, dialect_of, parse

__all__ = ["Dialect", "SourceFile", "dialect_of", "parse"]
