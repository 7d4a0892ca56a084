{# Text without surrounding white space; null if nothing is left. #}
{% macro text_or_null(text) -%}
    nullif(regexp_replace({{ text }}, '^\s+|\s+$', '', 'g'), '')
{%- endmacro %}
