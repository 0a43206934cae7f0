"""Names of services that tests may need, from images and actions."""

import re

from selfopt_pipelines.detector.words import listed

_KNOWN = listed(
    "postgres redis mongo mysql mariadb elasticsearch rabbitmq kafka memcached minio mssql opensearch",
    "clickhouse cassandra neo4j dynamodb localstack nats etcd meilisearch valkey typesense zookeeper",
    "keydb cockroach oracle couchdb consul vault azurite mailhog mailpit",
)
_ALIASES = {
    "postgresql": "postgres",
    "postgis": "postgres",
    "pgvector": "postgres",
    "timescale": "postgres",
    "dynamodb-local": "dynamodb",
}


def service_name(image: str) -> str:
    """`circleci/mongo:latest` is `mongo`, `bitnami/redis:7` is `redis`; otherwise the bare image name."""
    bare = image.split("@", maxsplit=1)[0].split(":", maxsplit=1)[0].rsplit("/", 1)[-1].lower()
    for word, name in _ALIASES.items():
        if word in image.lower():
            return name
    return next((name for name in _KNOWN if name in bare), re.sub(r"[^\w.-]", "", bare))


def service_of_action(action: str) -> str | None:
    """The service that a set-up action starts (`supercharge/redis-github-action`)."""
    name = action.lower()
    if "setup-node" in name or name.startswith("actions/"):
        return None
    found = next((service for service in _KNOWN if service in name), None)
    return found if found and re.search(r"action|setup|start|run", name) else None
