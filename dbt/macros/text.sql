{# Text without surrounding white space; null if nothing is left. #}
{% macro text_or_null(text) -%}
    nullif({{ trim_white_space(text) }}, '')
{%- endmacro %}

{# Text without white space before and after it, such as blanks, tabs and line ends. #}
{% macro trim_white_space(text) -%}
    {{ adapter.dispatch('trim_white_space', 'data_stack')(text) }}
{%- endmacro %}
