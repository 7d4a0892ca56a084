{# The median that exists: of two middle values the lower one, so nothing is rounded. Nulls do not count. #}
{% macro lower_median(values) -%}
    {{ adapter.dispatch('lower_median', 'data_stack')(values) }}
{%- endmacro %}
