{#
    Incremental facts on Spark: a table of Parquet files cannot lose single rows, so it is partitioned by month, and the
    months that a build changes are written anew.

    The month is a column of the table only, made from the column that `month_of` in the model's config names: neither
    the model nor a published table has it. A fact is complete while its property `data_stack.version` says what it was
    made from; without it, after a kill, `dbt_runner` drops the table, and it is built from nothing.
#}

{% materialization incremental, adapter='spark' -%}
    {%- set existing = load_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or should_full_refresh() -%}
        {%- do drop_relation_if_exists(existing) -%}
        {%- call statement('main') -%}{{ create_fact(target, compiled_code) }}{%- endcall -%}
    {%- else -%}
        {%- set columns = [] -%}
        {%- for column in model.columns.values() -%}
            {%- do columns.append(api.Column.create(column.name, column.data_type)) -%}
        {%- endfor -%}
        {%- set strategy = adapter.get_incremental_strategy_macro(context, config.require('incremental_strategy')) -%}
        {%- do strategy({
            'target_relation': target,
            'temp_relation': '(' ~ compiled_code ~ ')',
            'unique_key': config.require('unique_key'),
            'dest_columns': columns,
        }) -%}
    {%- endif -%}
    {%- do run_query("alter table " ~ target ~ " set tblproperties ('data_stack.version' = '" ~ fact_version() ~ "')") -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}

{# What the fact is made from, as `dbt_runner` computes it; a build by hand leaves the fact incomplete. #}
{% macro fact_version() -%}
    {{- return(fromjson(env_var('DATA_STACK_FACT_VERSIONS', '{}')).get(model.unique_id, '')) -}}
{%- endmacro %}

{# A partition is named even without a day, so that every row can be replaced. #}
{% macro month_of_row() -%}
    coalesce(date_format({{ config.require('month_of') }}, 'yyyy-MM'), 'none')
{%- endmacro %}

{% macro create_fact(target, sql) -%}
    {{ get_assert_columns_equivalent(sql) }}
    create table {{ target }} using parquet partitioned by (partition_month) as
    select /*+ rebalance(partition_month) */ *
    from (
        select
            {{ model.columns | join(', ') }},
            {{ month_of_row() }} as partition_month
        from ({{ sql }}) as rows_of_model
    ) as rows_by_month
{%- endmacro %}

{#
    The months of rows that are new, and of rows that they or a file version that is gone replace. Rows of a file version
    that are there are left alone, because they never change.
#}
{% macro spark__replace_file_versions(target, new_rows, file_versions, key, columns) -%}
    {%- set changes = target.incorporate(path={'identifier': target.identifier ~ '__changes'}) -%}
    {%- do run_query("drop table if exists " ~ changes) -%}
    {%- do run_query(select_changes(target, new_rows, changes, key, columns)) -%}
    {%- set found = run_query(find_changed_months(target, changes, file_versions, key)) -%}
    {%- set months = found.columns[0].values() | list -%}
    {%- if months -%}
        {%- do run_query("alter table " ~ target ~ " unset tblproperties if exists ('data_stack.version')") -%}
        {%- do run_query("set spark.sql.sources.partitionOverwriteMode = dynamic") -%}
        {%- do run_query(overwrite_months(target, changes, file_versions, key, columns, months)) -%}
        {%- do run_query("set spark.sql.sources.partitionOverwriteMode = static") -%}
        {%- for month, rows in found.rows if rows == 0 -%}
            {%- do run_query("alter table " ~ target ~ " drop if exists partition (partition_month = '" ~ month ~ "')") -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do run_query("drop table " ~ changes) -%}
    {%- do store_raw_result('main', message=months | join(', '), code='months', rows_affected=months | length) -%}
{%- endmacro %}

{% macro select_changes(target, new_rows, changes, key, columns) -%}
    create table {{ changes }} using parquet as
    select
        {{ columns }},
        {{ month_of_row() }} as partition_month
    from {{ new_rows }} as new_rows
    where
        not exists (
            select 1
            from {{ target }} as applied
            where
                applied.{{ key }} = new_rows.{{ key }}
                and applied.source_file = new_rows.source_file
                and applied.load_id = new_rows.load_id
        )
{%- endmacro %}

{# Each month with the number of rows that it will have. #}
{% macro find_changed_months(target, changes, file_versions, key) -%}
    with rows_of_months as (
        select
            applied.partition_month,
            files.source_file is null or changes.{{ key }} is not null as is_changed,
            case when files.source_file is not null and changes.{{ key }} is null then 1 else 0 end as remaining
        from {{ target }} as applied
        left join {{ file_versions }} as files
            on applied.source_file = files.source_file and applied.load_id = files.load_id
        left join {{ changes }} as changes on applied.{{ key }} = changes.{{ key }}

        union all

        select partition_month, true as is_changed, 1 as remaining from {{ changes }}
    )

    select partition_month, sum(remaining) as rows_of_month
    from rows_of_months
    group by partition_month
    having bool_or(is_changed)
    order by partition_month
{%- endmacro %}

{% macro overwrite_months(target, changes, file_versions, key, columns, months) -%}
    insert overwrite table {{ target }} partition (partition_month)
    select /*+ rebalance(partition_month) */ {{ columns }}, partition_month
    from (
        select {{ columns }}, partition_month
        from {{ target }} as applied
        where
            partition_month in ('{{ months | join("', '") }}')
            and exists (
                select 1
                from {{ file_versions }} as files
                where files.source_file = applied.source_file and files.load_id = applied.load_id
            )
            and not exists (select 1 from {{ changes }} as changes where changes.{{ key }} = applied.{{ key }})

        union all

        select {{ columns }}, partition_month from {{ changes }}
    ) as rows_of_months
{%- endmacro %}
