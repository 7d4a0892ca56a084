{#
    What DuckDB does in its own way: one `duckdb__` macro for each macro of this project that calls `adapter.dispatch`.
    Another engine is a file like this one; no model changes.
#}

{% macro duckdb__schema_name(custom_schema_name) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}

{% macro duckdb__rounded(value, places) -%}
    round({{ value }}, {{ places }})
{%- endmacro %}

{% macro duckdb__utc_to_local(utc) -%}
    timezone('{{ var("local_time_zone") }}', timezone('UTC', {{ utc }}))
{%- endmacro %}

{% macro duckdb__latest_utc(local) -%}
    timezone('UTC', timezone('{{ var("local_time_zone") }}', {{ local }}))
{%- endmacro %}

{% macro duckdb__iso_weekday(day) -%}
    cast(isodow({{ day }}) as integer)
{%- endmacro %}

{% macro duckdb__each_day(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}

{% macro duckdb__each_month(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 month)) as date)
{%- endmacro %}

{% macro duckdb__each_hour(first, last) -%}
    unnest(generate_series({{ first }}, {{ last }}, interval 1 hour))
{%- endmacro %}

{% macro duckdb__lower_median(values) -%}
    quantile_disc({{ values }}, 0.5)
{%- endmacro %}

{% macro duckdb__latest_text(text, time) -%}
    arg_max({{ text }}, row({{ time }}, {{ text }}))
{%- endmacro %}

{% macro duckdb__join_sorted(texts) -%}
    string_agg({{ texts }}, ', ' order by {{ texts }})
{%- endmacro %}

{# Most texts have nothing to trim, and comparing their first and last characters is far cheaper than the expression. #}
{% macro duckdb__trim_white_space(text) -%}
    case
        when {{ text }} < '!' or {{ text }}[-1] < '!' then regexp_replace({{ text }}, '^\s+|\s+$', '', 'g')
        else {{ text }}
    end
{%- endmacro %}

{% macro duckdb__replace_file_versions(target, new_rows, file_versions, key, columns) -%}
    delete from {{ target }} as applied
    where
        not exists (
            select 1
            from {{ file_versions }} as files
            where files.source_file = applied.source_file and files.load_id = applied.load_id
        );

    delete from {{ target }}
    where {{ key }} in (select {{ key }} from {{ new_rows }});

    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ new_rows }}
{%- endmacro %}

{% macro duckdb__replace_personal_columns(columns) -%}
    create schema if not exists gate;

    -- one statement, so that a killed run leaves no empty list; the null row keeps it valid without any column
    create or replace table gate.personal_columns as
    select
        cast(table_name as varchar) as table_name,
        cast(column_name as varchar) as column_name,
        cast(data_type as varchar) as data_type,
        cast(is_published as boolean) as is_published
    from (
        values
        {%- for column in columns %}
        ('{{ column.table_name }}', '{{ column.column_name }}', '{{ column.data_type }}', {{ column.is_published }}),
        {%- endfor %}
        (null, null, null, null)
    ) as marked (table_name, column_name, data_type, is_published)
    where table_name is not null
{%- endmacro %}
