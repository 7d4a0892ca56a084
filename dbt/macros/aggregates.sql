{# The median that exists: of two middle values the lower one, so nothing is rounded. Nulls do not count. #}
{% macro lower_median(values) -%}
    {{ adapter.dispatch('lower_median', 'data_stack')(values) }}
{%- endmacro %}

{# The texts of a group in their order, joined by commas; null without any. Nulls do not count. #}
{% macro join_sorted(texts) -%}
    {{ adapter.dispatch('join_sorted', 'data_stack')(texts) }}
{%- endmacro %}
