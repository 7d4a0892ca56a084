{# Columns that turn one row into several. A select has at most one of them; both ends are included. #}

{# Days as dates; first and last are dates. #}
{% macro each_day(first, last) -%}
    {{ adapter.dispatch('each_day', 'data_stack')(first, last) }}
{%- endmacro %}

{# First days of months as dates; first and last are first days of months. #}
{% macro each_month(first, last) -%}
    {{ adapter.dispatch('each_month', 'data_stack')(first, last) }}
{%- endmacro %}

{# Hours as naive timestamps, as first and last are. #}
{% macro each_hour(first, last) -%}
    {{ adapter.dispatch('each_hour', 'data_stack')(first, last) }}
{%- endmacro %}
