{#
    Incremental strategy `file_version`: replaces the rows of a file when the file's version (its load) changes.

    dbt's own `delete+insert` deletes only keys that are inserted again, so a ride that a corrected file no longer has
    would stay. This strategy also deletes the rows of every file version that is no longer current, because the file was
    corrected or removed. Both statements run in the model's transaction.

    `file_versions` in the model's config is the staging model with the current (source_file, load_id) pairs.
#}
{% macro get_incremental_file_version_sql(arg_dict) -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- set file_versions = ref(config.require("file_versions")) -%}
    {%- set key = arg_dict["unique_key"] -%}

    delete from {{ arg_dict["target_relation"] }} as applied
    where
        applied.{{ key }} in (select {{ key }} from {{ arg_dict["temp_relation"] }})
        or not exists (
            select 1
            from {{ file_versions }} as files
            where files.source_file = applied.source_file and files.load_id = applied.load_id
        );

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}
