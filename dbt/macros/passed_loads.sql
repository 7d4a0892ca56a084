{# The loads of a source that have passed their gate, as a subquery: staging reads no other row. #}
{% macro passed_loads(source_name) -%}
    (select load_id from {{ source('gate', 'passed_loads') }} where source = '{{ source_name }}')
{%- endmacro %}
