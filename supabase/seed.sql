-- For development with the Supabase CLI: the organization that local use works in (ledger/organizations.py).
insert into public.users (id, email) values ('00000000-0000-4000-8000-000000000001', 'local@localhost')
    on conflict do nothing;
insert into public.organizations (id, name, owner_id)
    values ('00000000-0000-4000-8000-000000000002', 'local', '00000000-0000-4000-8000-000000000001')
    on conflict do nothing;
insert into public.memberships (org_id, user_id, role)
    values ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'owner')
    on conflict do nothing;
