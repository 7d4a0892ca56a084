{# Name schemas as configured (staging, core, marts); dbt's default puts the target's schema in front everywhere. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ adapter.dispatch('schema_name', 'data_stack')(custom_schema_name) }}
{%- endmacro %}
