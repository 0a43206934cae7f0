-- What a person confirmed for a repository wins over what was detected.

alter table public.settings
    add column overrides jsonb not null default '{}' check (jsonb_typeof(overrides) = 'object');
comment on column public.settings.overrides is 'Confirmed values by name: {"test": "npm run unit", "node": "22"}.';

-- The newest detection of a repository is looked up whenever the next commit is read.
create index detections_of_repository on public.detections (repo_id, recorded_at desc);
