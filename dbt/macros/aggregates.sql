{# The median that exists: of two middle values the lower one, so nothing is rounded. Nulls do not count. #}
{% macro lower_median(values) -%}
    {{ adapter.dispatch('lower_median', 'data_stack')(values) }}
{%- endmacro %}

{# The cell of a coordinate in degrees, about a metre wide; null of 0, which is no position. #}
{% macro coordinate_cell(degrees) -%}
    round(nullif({{ degrees }}, 0), 5)
{%- endmacro %}

{# The texts of a group in their order, joined by commas; null without any. Nulls do not count. #}
{% macro join_sorted(texts) -%}
    {{ adapter.dispatch('join_sorted', 'data_stack')(texts) }}
{%- endmacro %}

{# The text of the latest time; of several texts at that time the one that sorts last. Null texts do not count. #}
{% macro latest_text(text, time) -%}
    {{ adapter.dispatch('latest_text', 'data_stack')(text, time) }}
{%- endmacro %}
