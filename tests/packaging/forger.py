"""A forger of bundles."""

import json
from typing import Any

from selfopt_pipelines.packaging.archive import canonical_json, pack, sha256, unpack
from selfopt_pipelines.packaging.bundle import chained, sealed


class Forger:
    """Somebody who changes entries and repairs every hash afterwards, as an insider could."""

    def __init__(self, bundle: bytes) -> None:
        self.entries = unpack(bundle)

    def document(self, name: str) -> Any:
        return json.loads(self.entries[name])

    def change(self, name: str, document: Any) -> None:
        self.entries[name] = document if isinstance(document, bytes) else canonical_json(document)

    def rechain(self, documents: list[dict[str, Any]]) -> None:
        manifest = self.document("manifest.json")
        origin = {key: manifest[key] for key in ("schema", "repository", "run", "base_sha")}
        bare = [{k: v for k, v in link.items() if k not in ("previous", "hash")} for link in documents]
        chain = chained(sha256(canonical_json(origin)), bare)
        self.change("attempts.json", chain)
        self.change("manifest.json", {**manifest, "chain_head": chain[-1]["hash"]})

    def bundle(self) -> bytes:
        manifest = self.document("manifest.json")
        manifest["entries"] = {
            name: {"sha256": sha256(content), "bytes": len(content)}
            for name, content in self.entries.items()
            if name != "manifest.json"
        }
        return pack({**self.entries, "manifest.json": canonical_json(sealed(manifest))})
