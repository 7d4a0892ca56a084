{#
    The quotient as a float. Engines give the quotient of two decimals different types and numbers of decimals, so both
    are made floats first.
#}
{% macro quotient(dividend, divisor) -%}
    cast({{ dividend }} as double) / cast({{ divisor }} as double)
{%- endmacro %}

{# A float rounded to decimal places, a half away from zero. #}
{% macro rounded(value, places) -%}
    {{ adapter.dispatch('rounded', 'data_stack')(value, places) }}
{%- endmacro %}
