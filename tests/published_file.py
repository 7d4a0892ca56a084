"""A published file of tables that no source has, with personal values, for tests of the doors to it."""

from pathlib import Path

import duckdb

CANARIES = ("PAYEE-CANARY", "90210.17", "NOTE-CANARY", "MANIFEST-CANARY")
"""Values of personal columns, and of a table of `ops` that only the person at the machine reads."""

_STATEMENTS = """
create schema core; create schema marts; create schema ops;
create table core.dim_days as
    select unnest(generate_series(date '2024-01-01', date '2024-12-31', interval 1 day))::date as day_utc;
create table core.fct_visits as
    select 'v' || range as id, (date '2024-01-01' + (range % 60)::integer)::date as day_utc, range % 7 as guests,
        case when range % 3 = 0 then 'north' when range % 3 = 1 then 'south' else 'Søndre gate' end as site,
        timestamp '2024-01-01 08:00' + to_minutes(range * 37) as started_at_utc
    from range(600);
create table core.fct_payments as
    select 'p' || range as id, date '2024-01-01' + (range % 90)::integer as paid_on,
        'PAYEE-CANARY ' || range as payee, (90210.17 + range * 0)::decimal(18, 2) as amount,
        'NOTE-CANARY' as note, case when range % 2 = 0 then 'food' else 'rent' end as category
    from range(40);
create table marts.mart_visits_daily as
    select day_utc, site, count(*) as visits, sum(guests)::bigint as guests, avg(guests) as guests_mean
    from core.fct_visits group by all;
create table marts.mart_payments_monthly as
    select date_trunc('month', paid_on)::date as month, category, sum(amount) as spent, count(*) as payments
    from core.fct_payments group by all;
create table ops.personal_columns (table_name varchar, column_name varchar, data_type varchar);
insert into ops.personal_columns values
    ('core.fct_payments', 'payee', 'VARCHAR'), ('core.fct_payments', 'amount', 'DECIMAL(18,2)'),
    ('core.fct_payments', 'note', 'VARCHAR'), ('core.fct_visits', 'id', 'VARCHAR');
create table ops.tables (
    table_name varchar, description varchar, grain varchar, sources varchar[], upstream varchar[], is_personal boolean
);
insert into ops.tables values
    ('core.dim_days', 'One row per day.', 'one row per day', [], [], false),
    ('core.fct_visits', 'One row per visit.', 'one row per visit', ['visits'], [], false),
    ('core.fct_payments', 'One row per payment.', 'one row per payment', ['payments'], [], true),
    ('marts.mart_visits_daily', 'Visits by day and site.', '', ['visits'], ['core.fct_visits', 'core.dim_days'], false),
    ('marts.mart_payments_monthly', 'By month.', '', ['payments'], ['core.fct_payments', 'core.fct_visits'], true);
create table ops.columns as
    select 'marts.mart_visits_daily' as table_name, 'visits' as column_name, 'Number of visits.' as description;
create table ops.publications as
    select 'PUBLICATION' as publication_id, 'r1' as run_id, timestamp '2024-03-01 12:00' as published_at_utc,
        '{"marts.mart_visits_daily": 180, "core.fct_visits": 600}' as tables, '{}' as sources;
create table ops.loads (source varchar, state varchar, rows_loaded bigint, loaded_at_utc timestamp);
create table ops.semantic_manifest as select 'MANIFEST-CANARY' as manifest;
create table ops.runs as select 'r1' as run_id, 'succeeded' as status;
"""


def write_published_file(path: Path, publication_id: str = "first") -> Path:
    """Write the file as a publication does: beside it, and then in its place."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with duckdb.connect(str(new)) as db:
        db.execute(_STATEMENTS.replace("PUBLICATION", publication_id))
        db.execute(f"create table ops.publication as select '{publication_id}' as publication_id")
    return new.replace(path)
