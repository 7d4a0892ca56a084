{#
    What Spark does in its own way: one `spark__` macro for each macro of this project that calls `adapter.dispatch`, then
    those macros of dbt that dbt-spark has with another result than DuckDB.

    A timestamp is a `timestamp_ntz`, which no session time zone changes. Functions that return a `timestamp` with the
    session's time zone are cast back; the profile sets UTC as that zone.
#}

{# Schemas of a metastore belong to everybody who uses it, so ours begin with the schema of the target. #}
{% macro spark__schema_name(custom_schema_name) -%}
    {{ target.schema }}{{ '_' ~ custom_schema_name if custom_schema_name }}
{%- endmacro %}

{# As DuckDB computes it; Spark's own rounds the shortest decimal text of the float, which can be on the other side. #}
{% macro spark__rounded(value, places) -%}
    round(({{ value }}) * 1e{{ places }}) / 1e{{ places }}
{%- endmacro %}

{% macro spark__utc_to_local(utc) -%}
    convert_timezone('UTC', '{{ var("local_time_zone") }}', cast({{ utc }} as timestamp_ntz))
{%- endmacro %}

{# Spark takes the earlier UTC time of a local time that occurs twice, so the one an hour later is tried. #}
{% macro spark__latest_utc(local) -%}
    {%- set zone = var("local_time_zone") -%}
    {%- set earliest = "convert_timezone('" ~ zone ~ "', 'UTC', cast(" ~ local ~ " as timestamp_ntz))" -%}
    {%- set hour_later = "timestampadd(hour, 1, " ~ earliest ~ ")" -%}
    case
        when {{ spark__utc_to_local(hour_later) }} = cast({{ local }} as timestamp_ntz) then {{ hour_later }}
        else {{ earliest }}
    end
{%- endmacro %}

{% macro spark__iso_weekday(day) -%}
    cast(weekday(cast({{ day }} as date)) + 1 as integer)
{%- endmacro %}

{# A series whose first is after its last is an error on Spark, and no row on DuckDB. #}
{% macro spark__each_day(first, last) -%}
    explode(case when {{ first }} <= {{ last }} then sequence({{ first }}, {{ last }}, interval 1 day) end)
{%- endmacro %}

{% macro spark__each_month(first, last) -%}
    explode(case when {{ first }} <= {{ last }} then sequence({{ first }}, {{ last }}, interval 1 month) end)
{%- endmacro %}

{% macro spark__each_hour(first, last) -%}
    explode(case when {{ first }} <= {{ last }} then sequence({{ first }}, {{ last }}, interval 1 hour) end)
{%- endmacro %}

{% macro spark__lower_median(values) -%}
    percentile_disc(0.5) within group (order by {{ values }})
{%- endmacro %}

{# Rows without an order do not count; a null time sorts last, as on DuckDB. #}
{% macro spark__latest_text(text, time) -%}
    max_by({{ text }}, case when {{ text }} is not null then struct({{ time }} is null, {{ time }}, {{ text }}) end)
{%- endmacro %}

{% macro spark__join_sorted(texts) -%}
    listagg({{ texts }}, ', ') within group (order by {{ texts }})
{%- endmacro %}

{# The characters of `\s` in DuckDB's regular expressions; Java's have a vertical tab as well. #}
{% macro spark__trim_white_space(text) -%}
    trim(both ' \t\n\r\u000C' from {{ text }})
{%- endmacro %}

{# A view, because it is replaced in one statement. #}
{% macro spark__replace_personal_columns(columns) -%}
    create or replace view {{ target.schema }}_gate.personal_columns as
    select
        cast(table_name as string) as table_name,
        cast(column_name as string) as column_name,
        cast(data_type as string) as data_type,
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


{# dbt-spark's own fails on nulls. #}
{% macro spark__dateadd(datepart, interval, from_date_or_timestamp) -%}
    timestampadd({{ datepart }}, {{ interval }}, cast({{ from_date_or_timestamp }} as timestamp_ntz))
{%- endmacro %}

{# The number of boundaries between the two, as DuckDB counts them; dbt-spark's own rounds away from zero. #}
{% macro spark__datediff(first_date, second_date, datepart) -%}
    {%- set per_second = {'hour': 3600, 'minute': 60, 'second': 1} -%}
    {%- if datepart == 'day' -%}
        datediff(cast({{ second_date }} as date), cast({{ first_date }} as date))
    {%- elif datepart == 'millisecond' -%}
        (unix_millis(cast({{ second_date }} as timestamp_ltz)) - unix_millis(cast({{ first_date }} as timestamp_ltz)))
    {%- elif datepart in per_second -%}
        (
            floor(unix_seconds(cast({{ second_date }} as timestamp_ltz)) / {{ per_second[datepart] }})
            - floor(unix_seconds(cast({{ first_date }} as timestamp_ltz)) / {{ per_second[datepart] }})
        )
    {%- else -%}
        {{ exceptions.raise_compiler_error("datediff by " ~ datepart ~ " is not written for Spark yet; add it here") }}
    {%- endif -%}
{%- endmacro %}

{% macro spark__date_trunc(datepart, date) -%}
    cast(date_trunc('{{ datepart }}', cast({{ date }} as timestamp_ltz)) as timestamp_ntz)
{%- endmacro %}

{% macro spark__last_day(date, datepart) -%}
    {%- if datepart != 'month' -%}
        {{ exceptions.raise_compiler_error("last_day of a " ~ datepart ~ " is not written for Spark yet; add it here") }}
    {%- endif -%}
    last_day({{ date }})
{%- endmacro %}

{# Types of the contracts and seeds, which are DuckDB's, as Spark writes them. #}
{% macro spark_type(data_type) -%}
    {%- set name = data_type | lower | replace(' ', '') -%}
    {{- return({'varchar': 'string', 'integer': 'int', 'timestamp': 'timestamp_ntz'}.get(name, name)) -}}
{%- endmacro %}

{#
    Compare the contract with the types of the query, which Spark says without running it. dbt-spark's own compares the
    kinds of types only, so that a decimal of another scale would pass.
#}
{% macro spark__get_assert_columns_equivalent(sql) -%}
    {%- set of_query, of_contract = [], [] -%}
    {%- for row in run_query("describe query " ~ sql).rows -%}
        {%- do of_query.append({'name': row[0], 'data_type': row[1], 'formatted': row[0] ~ ' ' ~ row[1]}) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() -%}
        {%- set type = spark_type(column.data_type) -%}
        {%- do of_contract.append({'name': column.name, 'data_type': type, 'formatted': column.name ~ ' ' ~ type}) -%}
    {%- endfor -%}
    {%- set key = 'formatted' -%}
    {%- if of_query | map(attribute=key) | sort != of_contract | map(attribute=key) | sort -%}
        {%- do exceptions.raise_contract_error(of_contract, of_query) -%}
    {%- endif -%}
{%- endmacro %}

{# A seed as one statement: its columns have the types of their configuration, and a blank is null. #}
{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set types = model.config.column_types -%}
    {%- call statement('_') -%}
    create table {{ this.render() }} (
        {%- for name in agate_table.column_names %}
        {{ name }} {{ spark_type(types[name]) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) using parquet
    {%- endcall -%}
{%- endmacro %}

{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model.config.column_types -%}
    {%- set sql -%}
    insert into {{ this.render() }} values
    {%- for row in agate_table.rows %}
    (
        {%- for name in agate_table.column_names -%}
        cast(%s as {{ spark_type(types[name]) }}){{ ', ' if not loop.last }}
        {%- endfor -%}
    ){{ ',' if not loop.last }}
    {%- endfor -%}
    {%- endset -%}
    {%- set values = [] -%}
    {%- for row in agate_table.rows -%}{%- do values.extend(row) -%}{%- endfor -%}
    {%- do adapter.add_query(sql, bindings=values, abridge_sql_log=True) -%}
    {{- return(sql) -}}
{%- endmacro %}
