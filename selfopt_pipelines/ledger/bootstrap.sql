-- What Supabase brings along and plain Postgres lacks: roles, `auth`, `extensions`, `storage`.
-- Not a migration: the runner applies it only where auth.uid() is missing, and hosted Supabase never sees it.
-- Everything here can be said twice; roles belong to the whole server and may exist already.

do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('anon', 'nologin noinherit'),
            ('authenticated', 'nologin noinherit'),
            ('service_role', 'nologin noinherit bypassrls'),
            ('authenticator', 'login noinherit')
        ) as roles (name, options)
    loop
        begin
            if to_regrole(wanted.name) is null then
                execute format('create role %I %s', wanted.name, wanted.options);
            end if;
        exception when duplicate_object or unique_violation then
            null; -- another database of this server was made at the same time
        end;
    end loop;
    for wanted in select * from (values ('anon'), ('authenticated'), ('service_role')) as roles (name) loop
        if not pg_has_role('authenticator', wanted.name, 'member') then
            execute format('grant %I to authenticator', wanted.name);
        end if;
    end loop;
end
$$;

create schema if not exists extensions;
create schema if not exists auth;
grant usage on schema extensions, auth, public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

create table if not exists auth.users (
    id uuid primary key default gen_random_uuid(),
    email text unique,
    created_at timestamptz not null default now()
);
revoke all on auth.users from public, anon, authenticated;

-- The claims of the signed-in person, as the API gateway sets them for one transaction.
create or replace function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

create or replace function auth.uid() returns uuid language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), auth.jwt() ->> 'sub')::uuid
$$;

create or replace function auth.role() returns text language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), auth.jwt() ->> 'role')
$$;

-- Storage: only as much as the bucket and its policy need.
create schema if not exists storage;
grant usage on schema storage to anon, authenticated, service_role;

create table if not exists storage.buckets (
    id text primary key,
    name text not null unique,
    public boolean not null default false,
    created_at timestamptz not null default now()
);

create table if not exists storage.objects (
    id uuid primary key default gen_random_uuid(),
    bucket_id text references storage.buckets (id),
    name text,
    owner_id text,
    metadata jsonb,
    created_at timestamptz not null default now(),
    unique (bucket_id, name)
);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;

create or replace function storage.foldername(name text) returns text[] language sql immutable as $$
    select (string_to_array(name, '/'))[1 : array_length(string_to_array(name, '/'), 1) - 1]
$$;

create or replace function storage.filename(name text) returns text language sql immutable as $$
    select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)]
$$;
