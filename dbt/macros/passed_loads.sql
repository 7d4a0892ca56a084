{# Subquery of the loads of a source that passed their gate; staging reads no other rows. #}
{% macro passed_loads(source_name) -%}
    (select load_id from {{ source('gate', 'passed_loads') }} where source = '{{ source_name }}')
{%- endmacro %}
