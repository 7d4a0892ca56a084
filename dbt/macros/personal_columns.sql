{#
    Write `gate.personal_columns` into the build file: every column of core and marts with `meta.personal`, and whether it
    may be published.

    Runs at the end of `dbt build` and `dbt run` and lists the whole project, whatever was selected.
#}
{% macro write_personal_columns() -%}
    {%- if execute and flags.WHICH in ("build", "run") -%}
    {{ adapter.dispatch('replace_personal_columns', 'data_stack')(personal_columns()) }}
    {%- endif -%}
{%- endmacro %}

{# The columns of core and marts with `meta.personal`, as a list of dicts; an unknown value is an error. #}
{% macro personal_columns() -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == "model" and node.config.schema in ("core", "marts") -%}
        {%- for column in node.columns.values() if "personal" in column.config.meta -%}
            {%- set personal = column.config.meta.personal -%}
            {%- if personal not in ("published", "withheld") -%}
                {{ exceptions.raise_compiler_error(
                    node.name ~ "." ~ column.name ~ ": meta.personal is '" ~ personal ~ "'; write published or withheld"
                ) }}
            {%- endif -%}
            {%- do found.append({
                "table_name": node.config.schema ~ "." ~ node.name,
                "column_name": column.name,
                "data_type": column.data_type,
                "is_published": personal == "published",
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(found) -}}
{%- endmacro %}
