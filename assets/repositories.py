"""The partition dimension and the things outside Dagster that the chain begins and ends with."""

import dagster as dg

GROUP = "cycle"

# One dimension only: a repository. Commits, attempts and candidates are rows of the ledger, never partitions.
repository_partitions = dg.DynamicPartitionsDefinition(name="repos")

repositories = dg.AssetSpec(
    "repositories",
    description="Connected repositories (ledger table `repositories`); connect one with `selfopt connect`.",
    group_name=GROUP,
    kinds={"postgres"},
)

github_events = dg.AssetSpec(
    "github_events",
    description="Webhook deliveries and polled events (ledger table `github_inbox`).",
    group_name=GROUP,
    kinds={"github"},
)

pull_requests = dg.AssetSpec(
    "pull_requests",
    deps=["proposals"],
    description="Pull requests that a person opened from a proposal with one click. Nothing merges by itself.",
    group_name=GROUP,
    kinds={"github"},
)
