-- The ledger of SelfOpt: the single source of truth.
--
-- Runs unchanged on Supabase and on plain PostgreSQL 15-18, once `ledger/bootstrap.sql` has made there what
-- Supabase brings along (roles, `auth`, `storage`). Composite foreign keys carry `repo_id` and `run_id` down the
-- tree, so that no row can hang below one repository and claim another.

-- States ----------------------------------------------------------------------------------------------------

create type public.membership_role as enum ('owner', 'member');
create type public.source_kind as enum ('local', 'github', 'git', 'unresolved');
create type public.run_status as enum ('queued', 'running', 'completed', 'failed', 'cancelled', 'paused');
create type public.run_phase as enum ('checkout', 'detection', 'baseline', 'scan', 'attempts', 'packaging');
create type public.attempt_status as enum ('accepted', 'rejected');
create type public.delivery_state as enum ('received', 'done');

-- People and organizations ----------------------------------------------------------------------------------

create table public.users (
    id uuid primary key default gen_random_uuid(),
    email text not null unique check (email like '%_@_%'),
    created_at timestamptz not null default now()
);
comment on column public.users.id is 'The same id as in auth.users for people who sign in.';

create table public.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null check (name <> ''),
    owner_id uuid not null references public.users (id) on delete restrict,
    created_at timestamptz not null default now()
);

create table public.memberships (
    org_id uuid not null references public.organizations (id) on delete cascade,
    user_id uuid not null references public.users (id) on delete cascade,
    role public.membership_role not null default 'member',
    created_at timestamptz not null default now(),
    primary key (org_id, user_id)
);
create index memberships_by_user on public.memberships (user_id);

-- Repositories ----------------------------------------------------------------------------------------------

create table public.repositories (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.organizations (id) on delete restrict,
    kind public.source_kind not null,
    slug text not null unique
        check (slug ~ '^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$' and length(slug) <= 140),
    location text not null,
    github_repo_id bigint unique,
    default_branch text,
    package_manager text,
    install_cmd text,
    build_cmd text,
    test_cmd text,
    bench_config jsonb,
    paused_at timestamptz,
    paused_reason text,
    created_at timestamptz not null default now(),
    check ((paused_at is null) = (paused_reason is null))
);
create index repositories_by_org on public.repositories (org_id);
comment on column public.repositories.slug is 'owner/name: the partition key of every asset.';

create table public.settings (
    repo_id uuid primary key references public.repositories (id) on delete cascade,
    compute_budget_minutes integer not null check (compute_budget_minutes between 1 and 1440),
    max_candidates_per_run integer not null check (max_candidates_per_run between 1 and 100),
    max_proposals_per_run integer not null check (max_proposals_per_run between 1 and 20),
    schedule text,
    updated_at timestamptz not null default now()
);
comment on table public.settings is 'A repository without a row has the defaults of domain/repository.py.';

-- Runs ------------------------------------------------------------------------------------------------------

create table public.runs (
    id uuid primary key default gen_random_uuid(),
    repo_id uuid not null references public.repositories (id) on delete cascade,
    sha text check (sha ~ '^[0-9a-f]{7,64}$'),
    status public.run_status not null default 'queued',
    reason text,
    reason_code text,
    options jsonb not null default '{}' check (jsonb_typeof(options) = 'object'),
    trigger text not null default 'manual',
    cycle_key text,
    phase public.run_phase,
    compute_minutes double precision not null default 0 check (compute_minutes >= 0),
    lease_owner text,
    lease_expires_at timestamptz,
    dagster_run_id text unique,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    unique (id, repo_id),
    check ((lease_owner is null) = (lease_expires_at is null)),
    check ((finished_at is not null) = (status in ('completed', 'failed', 'cancelled'))),
    check (started_at is not null or status not in ('running', 'completed'))
);
create index runs_of_repository on public.runs (repo_id, created_at desc);
create index runs_recent on public.runs (created_at desc);
create index runs_completed_cycles on public.runs (repo_id, cycle_key) where status = 'completed';
create index runs_open on public.runs (repo_id, created_at desc) where status in ('queued', 'running', 'paused');
comment on column public.runs.cycle_key is 'Identity of the work (commit, engine, options): a completed key is not run again.';
comment on column public.runs.compute_minutes is 'Minutes spent in sandboxed commands.';

create schema private;
comment on schema private is 'Helpers of policies and triggers; never exposed through an API.';

-- The arrows of domain/run.py TRANSITIONS, which stays the source of truth; a test compares the two.
create table private.run_transitions (
    from_status public.run_status not null,
    to_status public.run_status not null,
    primary key (from_status, to_status)
);
insert into private.run_transitions (from_status, to_status) values
    ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'paused'), ('queued', 'failed'),
    ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'paused'),
    ('paused', 'running'), ('paused', 'cancelled'), ('paused', 'failed');

create function private.guard_run_transition() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if not exists (
        select from private.run_transitions t where t.from_status = old.status and t.to_status = new.status
    ) then
        raise exception 'a run cannot go from % to %', old.status, new.status using errcode = 'check_violation';
    end if;
    return new;
end
$$;

create trigger guard_run_transition before update of status on public.runs
    for each row when (old.status is distinct from new.status)
    execute function private.guard_run_transition();

-- What a run finds ------------------------------------------------------------------------------------------

create table public.detections (
    id uuid primary key default gen_random_uuid(),
    repo_id uuid not null references public.repositories (id) on delete cascade,
    sha text not null check (sha ~ '^[0-9a-f]{7,64}$'),
    config jsonb not null,
    config_sha256 text not null check (config_sha256 ~ '^[0-9a-f]{64}$'),
    recorded_at timestamptz not null default now(),
    unique (repo_id, sha, config_sha256)
);

create table public.baselines (
    id uuid primary key default gen_random_uuid(),
    run_id uuid not null unique,
    repo_id uuid not null,
    sha text not null check (sha ~ '^[0-9a-f]{7,64}$'),
    metrics jsonb not null,
    environment_fingerprint jsonb not null,
    created_at timestamptz not null default now(),
    foreign key (run_id, repo_id) references public.runs (id, repo_id) on delete cascade
);
create index baselines_of_repository on public.baselines (repo_id, created_at desc);

create table public.opportunities (
    id uuid primary key default gen_random_uuid(),
    run_id uuid not null references public.runs (id) on delete cascade,
    detail jsonb not null,
    -- Read out of `detail`, so that the two can never disagree.
    key text not null generated always as (detail ->> 'key') stored,
    type text not null generated always as (detail ->> 'pattern') stored,
    location jsonb not null generated always as (detail -> 'location') stored,
    rationale text not null generated always as (detail ->> 'rationale') stored,
    risk_score double precision not null generated always as ((detail ->> 'risk')::double precision) stored,
    rank integer not null generated always as ((detail ->> 'rank')::integer) stored,
    declined_reason text,
    created_at timestamptz not null default now(),
    unique (run_id, key),
    unique (id, run_id),
    check (risk_score between 0 and 1),
    check (rank >= 1)
);
comment on column public.opportunities.declined_reason is 'Why no patch was made, where a template refused.';

create table public.attempts (
    id uuid primary key default gen_random_uuid(),
    run_id uuid not null,
    opportunity_id uuid not null,
    ordinal integer not null check (ordinal >= 1),
    patch_sha256 text not null check (patch_sha256 ~ '^[0-9a-f]{64}$'),
    diff text not null,
    validation_result jsonb not null,
    status public.attempt_status not null,
    created_at timestamptz not null default now(),
    unique (run_id, opportunity_id, patch_sha256),
    unique (id, run_id, status),
    foreign key (opportunity_id, run_id) references public.opportunities (id, run_id) on delete cascade
);

create table public.proposals (
    id uuid primary key default gen_random_uuid(),
    run_id uuid not null,
    repo_id uuid not null,
    attempt_id uuid not null unique,
    -- With the foreign key below: a proposal can only be made of an accepted attempt.
    attempt_status public.attempt_status not null default 'accepted' check (attempt_status = 'accepted'),
    title text not null,
    summary text not null,
    diff text not null,
    metrics_before jsonb not null default '{}',
    metrics_after jsonb not null default '{}',
    risk_score double precision not null check (risk_score between 0 and 1),
    bundle_sha256 text check (bundle_sha256 ~ '^[0-9a-f]{64}$'),
    pr_url text check (pr_url ~ '^https?://'),
    created_at timestamptz not null default now(),
    unique (id, repo_id),
    foreign key (run_id, repo_id) references public.runs (id, repo_id) on delete cascade,
    foreign key (attempt_id, run_id, attempt_status)
        references public.attempts (id, run_id, status) on delete cascade
);
create index proposals_of_run on public.proposals (run_id);
create index proposals_of_repository on public.proposals (repo_id, created_at desc);
create index proposals_recent on public.proposals (created_at desc);

create table public.artifacts (
    id uuid primary key default gen_random_uuid(),
    repo_id uuid not null references public.repositories (id) on delete cascade,
    run_id uuid,
    proposal_id uuid,
    name text not null unique check (name ~ '^(repos|proposals)/.'),
    type text not null check (type ~ '^[a-z][a-z0-9-]*$'),
    media_type text not null,
    size_bytes bigint not null check (size_bytes >= 0),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    storage_path text not null,
    created_at timestamptz not null default now(),
    foreign key (run_id, repo_id) references public.runs (id, repo_id) on delete cascade,
    foreign key (proposal_id, repo_id) references public.proposals (id, repo_id) on delete cascade
);
create index artifacts_of_run on public.artifacts (run_id);
create index artifacts_of_proposal on public.artifacts (proposal_id);
comment on column public.artifacts.name is 'The name for people; storage_path is the content address in the store.';

-- Progress and the outside ----------------------------------------------------------------------------------

create table public.events (
    id bigint generated always as identity primary key,
    run_id uuid not null references public.runs (id) on delete cascade,
    at timestamptz not null default clock_timestamp(),
    type text not null,
    payload jsonb not null
);
create index events_of_run on public.events (run_id, id);

create table public.github_inbox (
    id bigint generated always as identity primary key,
    delivery_id text not null unique,
    body_hmac text not null unique,
    event text not null,
    payload jsonb not null,
    state public.delivery_state not null default 'received',
    received_at timestamptz not null default now(),
    done_at timestamptz,
    check ((done_at is not null) = (state = 'done'))
);
create index github_inbox_pending on public.github_inbox (id) where state = 'received';
comment on column public.github_inbox.body_hmac is
    'X-GitHub-Delivery is not signed: a captured request replayed under a new id is known by its body.';

-- Who sees what ---------------------------------------------------------------------------------------------
-- Only the backend writes. People who sign in read what belongs to their organizations.

-- Security definer: a policy on memberships that read memberships would recurse.
create function private.my_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select m.org_id from public.memberships m where m.user_id = (select auth.uid())
$$;

create function private.my_repositories() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select r.id from public.repositories r where r.org_id in (select private.my_organizations())
$$;

revoke all on schema private from public;
revoke all on all tables in schema private from public, anon, authenticated;
revoke all on all functions in schema private from public, anon, authenticated;
grant usage on schema private to authenticated;
grant execute on function private.my_organizations(), private.my_repositories() to authenticated;

-- Supabase grants everything on new tables to its API roles; plain Postgres grants nothing: say it for both.
revoke all on
    public.users, public.organizations, public.memberships, public.repositories, public.settings, public.runs,
    public.detections, public.baselines, public.opportunities, public.attempts, public.proposals, public.artifacts,
    public.events, public.github_inbox
from public, anon, authenticated;

grant select on
    public.users, public.organizations, public.memberships, public.repositories, public.settings, public.runs,
    public.detections, public.baselines, public.opportunities, public.attempts, public.proposals, public.artifacts,
    public.events
to authenticated;

grant select, insert, update, delete on
    public.users, public.organizations, public.memberships, public.repositories, public.settings, public.runs,
    public.detections, public.baselines, public.opportunities, public.attempts, public.proposals, public.artifacts,
    public.events, public.github_inbox
to service_role;

alter table public.users enable row level security;
alter table public.organizations enable row level security;
alter table public.memberships enable row level security;
alter table public.repositories enable row level security;
alter table public.settings enable row level security;
alter table public.runs enable row level security;
alter table public.detections enable row level security;
alter table public.baselines enable row level security;
alter table public.opportunities enable row level security;
alter table public.attempts enable row level security;
alter table public.proposals enable row level security;
alter table public.artifacts enable row level security;
alter table public.events enable row level security;
alter table public.github_inbox enable row level security; -- and no policy: the backend's alone

create policy "people see themselves" on public.users
    for select to authenticated using (id = (select auth.uid()));
create policy "members see their organizations" on public.organizations
    for select to authenticated using (id in (select private.my_organizations()));
create policy "members see who else is a member" on public.memberships
    for select to authenticated using (org_id in (select private.my_organizations()));
create policy "members see repositories" on public.repositories
    for select to authenticated using (org_id in (select private.my_organizations()));
create policy "members see settings" on public.settings
    for select to authenticated using (repo_id in (select private.my_repositories()));
create policy "members see runs" on public.runs
    for select to authenticated using (repo_id in (select private.my_repositories()));
create policy "members see detections" on public.detections
    for select to authenticated using (repo_id in (select private.my_repositories()));
create policy "members see baselines" on public.baselines
    for select to authenticated using (repo_id in (select private.my_repositories()));
create policy "members see proposals" on public.proposals
    for select to authenticated using (repo_id in (select private.my_repositories()));
create policy "members see artifacts" on public.artifacts
    for select to authenticated using (repo_id in (select private.my_repositories()));
-- These hang below a run; the policy on runs applies inside the subquery.
create policy "members see opportunities" on public.opportunities
    for select to authenticated using (exists (select from public.runs r where r.id = run_id));
create policy "members see attempts" on public.attempts
    for select to authenticated using (exists (select from public.runs r where r.id = run_id));
create policy "members see events" on public.events
    for select to authenticated using (exists (select from public.runs r where r.id = run_id));

-- Artifacts lie below the id of their repository: <repository uuid>/<sha256[:2]>/<sha256>.
do $$
begin
    if to_regclass('storage.objects') is not null then
        insert into storage.buckets (id, name, public) values ('artifacts', 'artifacts', false)
            on conflict do nothing;
        create policy "members read artifacts" on storage.objects for select to authenticated using (
            bucket_id = 'artifacts'
            and (storage.foldername(name))[1] in (select r::text from private.my_repositories() r)
        );
    end if;
end
$$;
