{# Band of a temperature in degrees Celsius, including its lower edge but not its upper one. #}
{% macro temperature_band(temperature_c) -%}
    case
        when {{ temperature_c }} < 0 then 'below 0'
        when {{ temperature_c }} < 10 then '0 to 10'
        when {{ temperature_c }} < 20 then '10 to 20'
        when {{ temperature_c }} < 30 then '20 to 30'
        when {{ temperature_c }} >= 30 then '30 and above'
    end
{%- endmacro %}

{#
    Kind of precipitation of an hour: snow, or rain by its amount with the bounds of the weather services. A kind includes
    its lower edge but not its upper one. Null if the precipitation is not known.
#}
{% macro precipitation_kind(precipitation_mm, snowfall_cm) -%}
    case
        when {{ precipitation_mm }} is null then null
        when {{ precipitation_mm }} = 0 then 'dry'
        when {{ snowfall_cm }} > 0 then 'snow'
        when {{ precipitation_mm }} < 2.5 then 'light'
        when {{ precipitation_mm }} < 7.6 then 'moderate'
        else 'heavy'
    end
{%- endmacro %}
