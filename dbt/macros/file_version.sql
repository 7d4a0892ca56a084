{#
    Incremental strategy `file_version`: replaces the rows of a file when the file's version (its load) changes.

    dbt's own `delete+insert` deletes only keys that are inserted again, so a row that a corrected file no longer has
    would stay. This strategy also deletes the rows of every file version that is no longer current, because the file was
    corrected or removed. On DuckDB all statements run in the model's transaction; Spark has none and writes the months of
    these rows anew (`engines/spark_facts.sql`), for which the model's config names a column of the day in `month_of`.

    `file_versions` in the model's config is the staging model with the current (source_file, load_id) pairs.
#}
{% macro get_incremental_file_version_sql(arg_dict) -%}
    {{ adapter.dispatch('replace_file_versions', 'data_stack')(
        arg_dict["target_relation"],
        arg_dict["temp_relation"],
        ref(config.require("file_versions")),
        arg_dict["unique_key"],
        arg_dict["dest_columns"] | map(attribute="quoted") | join(", "),
    ) }}
{%- endmacro %}
